import Basics
import LoopIR

/// Programs written by hand, as lowering would make them.
enum Sample {
  /// relu(features x weight + bias), 29 -> 16, rows in tiles of four. `parallel`: a part for every tile.
  static func dense(named name: String = "tiny", gemm: Bool = false, parallel: Bool = false, element: ElementType = .f32) -> Program {
    let size = element.size
    let buffers = [
      Buffer(name: "features", element: element, count: 32 * 29, block: .input(0), offset: 0),
      Buffer(name: "dense1_weight", element: element, count: 29 * 16, block: .parameters, offset: 0),
      Buffer(name: "dense1_bias", element: element, count: 16, block: .parameters, offset: 29 * 16 * size),
      Buffer(name: "hidden", element: element, count: 32 * 16, block: .output(0), offset: 0),
    ]
    let parameters = [
      BufferParameter(name: "x", element: element, count: 32 * 29, access: .read),
      BufferParameter(name: "w", element: element, count: 29 * 16, access: .read),
      BufferParameter(name: "b", element: element, count: 16, access: .read),
      BufferParameter(name: "y", element: element, count: 32 * 16, access: .write),
    ]
    let kernel = Kernel(
      name: "dense1_matmul_add_relu", comments: ["dense1: relu(features [n, 29] · weight [29, 16] + bias)"], parameters: parameters,
      symbols: ["n"], parts: parallel && !gemm ? .divide(.variable("n") + 3, 4) : .constant(1),
      body: gemm ? gemmBody(element) : parallel ? tileOfPart(element) : tiles(element))
    return Program(
      name: name, element: element, symbols: [Symbol(name: "n", maximum: 32)], tensors: denseTensors,
      inputs: [Port(name: "features", element: element, dims: [29])], outputs: [Port(name: "hidden", element: element, dims: [16])],
      parameterCount: 480, buffers: buffers, kernels: [kernel],
      entries: [Entry(name: "run", steps: [.call(kernel: 0, buffers: [0, 1, 2, 3])], arenaBytes: 0)])
  }

  static let denseTensors = [
    TensorSlot(name: "dense1.weight", dims: [29, 16], offset: 0, isState: false, trainable: true),
    TensorSlot(name: "dense1.bias", dims: [16], offset: 464, isState: false, trainable: true),
  ]

  private static func at(_ row: Index, _ width: Int, _ column: Index) -> Index { row * width + column }
  private static func v(_ name: String) -> Index { .variable(name) }

  /// Rows i ..< i+4, all of them there or not: a row that is not is read from the last one, and not written.
  private static func tile(_ element: ElementType) -> [Statement] {
    let row = Index.minimum(v("i") + v("r"), v("n") - .constant(1))
    let acc = at(v("r"), 16, v("l"))
    let epilogue = Scalar.load("acc", acc) + .load("b", v("l"))
    return [
      .array("acc", element, count: 64),
      .loop(
        Loop(
          "l", to: .constant(16), kind: .lanes,
          [.loop(Loop("r", to: .constant(4), kind: .unrolled, [.store("acc", acc, .float(0, element))]))])),
      .loop(
        Loop(
          "k", to: .constant(29),
          [
            .loop(
              Loop(
                "l", to: .constant(16), kind: .lanes,
                [
                  .loop(
                    Loop(
                      "r", to: .constant(4), kind: .unrolled,
                      [
                        .store(
                          "acc", acc,
                          .fma(.load("x", at(row, 29, v("k"))), .load("w", at(v("k"), 16, v("l"))), .load("acc", acc)))
                      ]))
                ]))
          ])),
      .comment("what is behind the last row is not written */ nor /* this"),
      .loop(
        Loop(
          "r", to: .minimum(.constant(4), v("n") - v("i")),
          [
            .loop(
              Loop(
                "l", to: .constant(16), kind: .lanes,
                [
                  .define("sum", element, epilogue),
                  .store("y", at(v("i") + v("r"), 16, v("l")), .binary(.max, .variable("sum"), .float(0, element))),
                ]))
          ])),
    ]
  }

  private static func tiles(_ element: ElementType) -> [Statement] { [.loop(Loop("i", to: v("n"), step: 4, tile(element)))] }

  private static func tileOfPart(_ element: ElementType) -> [Statement] {
    [.loop(Loop("i", from: v("part") * 4, to: .minimum(v("part") * 4 + 4, v("n")), step: 4, tile(element)))]
  }

  private static func gemmBody(_ element: ElementType) -> [Statement] {
    [
      .gemm(
        Gemm(
          element: element, transposeA: false, transposeB: false, m: v("n"), n: .constant(16), k: .constant(29),
          a: .init("x", .constant(0), stride: 29), b: .init("w", .constant(0), stride: 16), beta: .float(0, element),
          c: .init("y", .constant(0), stride: 16))),
      .loop(
        Loop(
          "i", to: v("n") * 16,
          [
            .define("sum", element, .load("y", v("i")) + .load("b", .remainder(v("i"), 16))),
            .store("y", v("i"), .binary(.max, .variable("sum"), .float(0, element))),
          ])),
    ]
  }

  /// output = alpha op(A) op(B) + beta output, where `output` begins as the second output's copy of ones and twos.
  static func product(
    m: Int, n: Int, k: Int, transposeA: Bool, transposeB: Bool, alpha: Double, beta: Double, element: ElementType
  ) -> Program {
    let buffers = [
      Buffer(name: "a", element: element, count: m * k, block: .input(0), offset: 0),
      Buffer(name: "b", element: element, count: k * n, block: .parameters, offset: 0),
      Buffer(name: "c", element: element, count: m * n, block: .output(0), offset: 0),
    ]
    let parameters = [
      BufferParameter(name: "a", element: element, count: m * k, access: .read),
      BufferParameter(name: "b", element: element, count: k * n, access: .read),
      BufferParameter(name: "c", element: element, count: m * n, access: .update),
    ]
    let start = Scalar.index(.remainder(v("i"), 3), element)
    let kernel = Kernel(
      name: "product", parameters: parameters, symbols: [],
      body: [
        .loop(Loop("i", to: .constant(m * n), [.store("c", v("i"), start)])),
        .gemm(
          Gemm(
            element: element, transposeA: transposeA, transposeB: transposeB, m: .constant(m), n: .constant(n), k: .constant(k),
            alpha: alpha,
            a: .init("a", .constant(0), stride: transposeA ? m : k), b: .init("b", .constant(0), stride: transposeB ? k : n),
            beta: .float(beta, element), c: .init("c", .constant(0), stride: n))),
      ])
    return Program(
      name: "product", element: element, symbols: [Symbol(name: "n", maximum: 1)],
      inputs: [Port(name: "a", element: element, dims: [m, k])],
      outputs: [Port(name: "c", element: element, dims: [m, n])], parameterCount: k * n, buffers: buffers, kernels: [kernel],
      entries: [Entry(name: "run", steps: [.call(kernel: 0, buffers: [0, 1, 2])], arenaBytes: 0)])
  }

  /// One weight a feature, mean squared error, plain gradient descent: y = x · w, loss = mean weight (y - t)².
  static func toyTrainer(element: ElementType = .f32) -> Program {
    let size = element.size
    let buffers = [
      Buffer(name: "x", element: element, count: 8 * 3, block: .input(0), offset: 0),
      Buffer(name: "t", element: element, count: 8, block: .target(0), offset: 0),
      Buffer(name: "row_weights", element: element, count: 8, block: .weights, offset: 0),
      Buffer(name: "w", element: element, count: 3, block: .parameters, offset: 0),
      Buffer(name: "w_gradient", element: element, count: 3, block: .gradients, offset: 0),
      Buffer(name: "y", element: element, count: 8, block: .output(0), offset: 0),
      Buffer(name: "residual", element: element, count: 8, block: .arena, offset: 0),
      Buffer(name: "loss", element: .f64, count: 1, block: .controls, offset: Controls.loss),
      Buffer(name: "rate", element: .f64, count: 1, block: .controls, offset: Controls.rate),
      Buffer(name: "micro", element: .i64, count: 1, block: .controls, offset: Controls.micro),
      Buffer(name: "prediction", element: element, count: 8, block: .arena, offset: 64),
      Buffer(name: "seed", element: .u64, count: 1, block: .controls, offset: Controls.seed),
    ]
    _ = size
    return Program(
      name: "toy", element: element, symbols: [Symbol(name: "n", maximum: 8)],
      tensors: [TensorSlot(name: "w", dims: [3], offset: 0, isState: false, trainable: true)],
      inputs: [Port(name: "x", element: element, dims: [3])], outputs: [Port(name: "y", element: element, dims: [])],
      targets: [Port(name: "t", element: element, dims: [])], parameterCount: 3, gradientCount: 3, buffers: buffers,
      kernels: toyKernels(element),
      entries: [
        Entry(name: "run", steps: [.call(kernel: 0, buffers: [0, 3, 5])], arenaBytes: 0),
        Entry(
          name: "evaluate", steps: [.call(kernel: 0, buffers: [0, 3, 5]), .call(kernel: 1, buffers: [5, 1, 2, 6, 7])], arenaBytes: 32),
        Entry(
          name: "backward",
          steps: [
            .call(kernel: 3, buffers: [0, 3, 10]), .call(kernel: 1, buffers: [10, 1, 2, 6, 7]), .requireFinite(buffer: 7),
            .call(kernel: 2, buffers: [0, 6, 9, 4]),
          ], arenaBytes: 128),
        Entry(name: "update", steps: [.call(kernel: 4, buffers: [4, 8, 3])], arenaBytes: 0),
        Entry(name: "initialize", steps: [.call(kernel: 5, buffers: [11, 3])], arenaBytes: 0),
      ])
  }

  private static func toyKernels(_ element: ElementType) -> [Kernel] {
    func parameter(_ name: String, _ count: Int, _ access: Access, _ type: ElementType? = nil) -> BufferParameter {
      BufferParameter(name: name, element: type ?? element, count: count, access: access)
    }
    func forward(_ name: String) -> Kernel {
      Kernel(
        name: name, comments: [name], parameters: [parameter("x", 24, .read), parameter("w", 3, .read), parameter("y", 8, .write)],
        symbols: ["n"],
        body: [
          .loop(
            Loop(
              "i", to: v("n"),
              [
                .variable("sum", element, .float(0, element)),
                .loop(
                  Loop(
                    "k", to: .constant(3),
                    [.assign("sum", .fma(.load("x", v("i") * 3 + v("k")), .load("w", v("k")), .variable("sum")))])),
                .store("y", v("i"), .variable("sum")),
              ]))
        ])
    }
    let loss = Kernel(
      name: "mean_squared", comments: ["mean over rows of weight (y - t)²"],
      parameters: [
        parameter("y", 8, .read), parameter("t", 8, .read), parameter("weights", 8, .read), parameter("dy", 8, .write),
        parameter("loss", 1, .write, .f64),
      ], symbols: ["n"],
      body: [
        .variable("total", .f64, .float(0, .f64)),
        .loop(
          Loop(
            "i", to: v("n"),
            [
              .define("d", element, .load("y", v("i")) - .load("t", v("i"))),
              .assign("total", .variable("total") + .cast(.f64, .load("weights", v("i")) * .variable("d") * .variable("d"))),
              .store(
                "dy", v("i"), .float(2, element) * .load("weights", v("i")) * .variable("d") / .index(v("n"), element)),
            ])),
        .store("loss", .constant(0), .variable("total") / .index(v("n"), .f64)),
      ])
    let gradient = Kernel(
      name: "w_dw",
      parameters: [
        parameter("x", 24, .read), parameter("dy", 8, .read), parameter("micro", 1, .read, .i64), parameter("dw", 3, .update),
      ], symbols: ["n"],
      body: [
        .loop(
          Loop(
            "k", to: .constant(3), kind: .unrolled,
            [
              .variable(
                "sum", element,
                .select(.compare(.eq, .load("micro", .constant(0)), .integer(0, .i64)), .float(0, element), .load("dw", v("k")))),
              .loop(
                Loop("i", to: v("n"), [.assign("sum", .fma(.load("x", v("i") * 3 + v("k")), .load("dy", v("i")), .variable("sum")))])),
              .store("dw", v("k"), .variable("sum")),
            ]))
      ])
    let update = Kernel(
      name: "sgd", comments: ["w -= rate * dw"],
      parameters: [parameter("dw", 3, .read), parameter("rate", 1, .read, .f64), parameter("w", 3, .update)], symbols: [],
      body: [
        .define("rate32", element, .cast(element, .load("rate", .constant(0)))),
        .loop(Loop("i", to: .constant(3), [.store("w", v("i"), .load("w", v("i")) - .variable("rate32") * .load("dw", v("i")))])),
      ])
    let start = Kernel(
      name: "w_initial", parameters: [parameter("seed", 1, .read, .u64), parameter("w", 3, .write)], symbols: [],
      body: [
        .loop(
          Loop(
            "i", to: .constant(3),
            [.store("w", v("i"), .cast(element, .load("seed", .constant(0))) * .float(0.125, element) + .index(v("i"), element))]))
      ])
    return [forward("forward"), loss, gradient, forward("forward_again"), update, start]
  }
}
