import Basics
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Convolutions by each method but Winograd's, in all directions, against their definition in float64: at odd sizes, with strides, dilations,
/// groups, channels that fill no vector, whole and partial batches, more than one part; with a sum and relu in the same kernel; the
/// interpreter and compilers bit for bit on several threads.
@Suite struct ConvolutionMethodTests {
  struct Case: CustomTestStringConvertible {
    var channels: Int
    var filters: Int
    var image: [Int]
    var kernel: [Int]
    var strides: [Int]
    var dilations: [Int]
    var before: [Int]
    var after: [Int]
    var groups: Int
    var batch: Int
    var methods: [String]

    init(
      _ channels: Int, _ filters: Int, _ image: [Int], _ kernel: [Int], stride: Int = 1, dilation: Int = 1, padding: Int = 0,
      after: Int? = nil,
      groups: Int = 1, batch: Int = 2, methods: [String] = ["patches"]
    ) {
      (self.channels, self.filters, self.image, self.kernel, self.groups, self.batch) = (channels, filters, image, kernel, groups, batch)
      strides = image.map { _ in stride }
      dilations = image.map { _ in dilation }
      before = image.map { _ in padding }
      self.after = image.map { _ in after ?? padding }
      self.methods = methods
    }

    var testDescription: String {
      "\(channels) to \(filters) at \(image), kernel \(kernel), stride \(strides), dilation \(dilations), padding \(before) and \(after), "
        + "\(groups) groups, batch \(batch)"
    }
    var window: ConvolutionWindow {
      ConvolutionWindow(strides: strides, dilations: dilations, paddingBefore: before, paddingAfter: after, groups: groups)
    }
    var result: [Int] {
      image.indices.map { (image[$0] + before[$0] + after[$0] - dilations[$0] * (kernel[$0] - 1) - 1) / strides[$0] + 1 }
    }
    /// Products in all, those with zeros around the image among them.
    var products: Int { batch * result.reduce(1, *) * filter.reduce(1, *) }
    var filter: [Int] { [filters, channels / groups] + kernel }
  }

  private static let depthwise = ["depthwise", "patches"]

  static let cases = [
    // Pixels that fill no tile, columns that fill no panel: 32, 16, 8, and what is left.
    Case(20, 59, [7, 7], [1, 1], batch: 1),
    Case(3, 33, [9, 11], [3, 3], stride: 2, padding: 1),
    Case(5, 24, [8, 5], [5, 3], padding: 2),
    Case(4, 6, [13], [4], stride: 3, dilation: 2, padding: 3, after: 1),
    Case(3, 2, [4, 5, 6], [2, 3, 2], stride: 2, padding: 1),
    // Phases of an input's gradient without taps, and with different numbers of them.
    Case(16, 10, [9, 8], [1, 1], stride: 2),
    Case(6, 5, [11, 10], [2, 3], stride: 3, dilation: 2, padding: 1),
    Case(7, 9, [10, 9], [4, 4], stride: 2, dilation: 3, padding: 4),
    Case(2, 3, [3, 3], [3, 3], stride: 5, padding: 2),
    // Elements that are left out.
    Case(4, 5, [9, 9], [3, 3], padding: -1, after: 2),
    // Several parts of rows, of columns, of pixels, and of taps with slices of the channels.
    Case(8, 16, [30, 31], [3, 3], padding: 1),
    Case(64, 200, [4, 5], [3, 3], padding: 1, batch: 1),
    Case(300, 200, [2, 2], [3, 3], padding: 1),
    Case(12, 20, [7, 6], [3, 3], padding: 1, groups: 4),
    Case(66, 66, [5, 4], [3, 3], padding: 1, groups: 2),
    Case(20, 20, [9, 13], [3, 3], padding: 1, groups: 20, methods: depthwise),
    Case(17, 17, [14, 29], [3, 3], stride: 2, padding: 1, groups: 17, methods: depthwise),
    Case(48, 48, [23, 24], [3, 3], stride: 2, padding: 0, after: 1, groups: 48, methods: depthwise),
    Case(5, 15, [9, 10], [3, 2], padding: 1, groups: 5, methods: depthwise),
    Case(6, 6, [11, 12], [5, 5], stride: 3, dilation: 2, padding: 4, groups: 6, methods: depthwise),
    Case(9, 9, [37], [5], padding: 2, groups: 9, methods: depthwise),
    Case(20, 20, [48, 48], [3, 3], padding: 1, groups: 20, methods: depthwise),
    Case(4, 4, [2, 2], [3, 3], padding: 3, groups: 4, methods: depthwise),
  ]

  private func operation(_ test: Case, _ direction: Convolution.Direction) -> any Operator {
    switch direction {
    case .forward: Convolve(test.window)
    case .inputGradient: ConvolutionInputGradient(test.window, sizes: test.image)
    case .filterGradient: ConvolutionFilterGradient(test.window, kernel: test.kernel)
    }
  }

  private func program(_ test: Case, _ direction: Convolution.Direction, _ element: ElementType, method: String) throws -> Program {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: test.batch)])
    var model = Model(name: "method", element: element, symbols: builder.graph.symbols)
    func input(_ name: String, _ dims: [Int]) -> ValueID {
      model.inputs.append(Port(name: name, element: element, dims: dims))
      return builder.leaf(Leaf(name, .input(model.inputs.count - 1)), TensorType(element, [.batch] + dims.map { Dimension($0) }))
    }
    let (x, y) = ([test.channels] + test.image, [test.filters] + test.result)
    let operands: [ValueID]
    if direction == .filterGradient {
      operands = [input("x", x), input("dy", y)]
    } else {
      model.parameters.append(Parameter(name: "filter", shape: test.filter))
      let filter = builder.leaf(Leaf("filter", .parameter), TensorType(element, test.filter.map { Dimension($0) }))
      operands = [input("image", direction == .forward ? x : y), filter]
    }
    var value = try builder.add(operation(test, direction), operands)
    if direction != .filterGradient { value = try builder.relu(builder.add(value, input("residual", direction == .forward ? y : x))) }
    builder.output("result", value)
    model.outputs = [
      Port(name: "result", element: element, dims: direction == .forward ? y : direction == .inputGradient ? x : test.filter)
    ]
    model.graphs = [builder.graph]
    return try lower(model, options: LoweringOptions(convolutionMethods: [method], preferredConvolution: method))
  }

  /// The same numbers for every type.
  private func random(_ count: Int, _ seed: Int) -> [Double] {
    var numbers = SplitMix(state: UInt64(seed))
    return (0..<count).map { _ in Double(Float(numbers.number() - 0.5)) }
  }

  private func outputs(_ machine: Machine, rows: Int) throws -> [Double] {
    let program = machine.program, element = program.element
    machine[.parameters] = bytes(random(program.parameterCount, 1), element)
    let inputs = program.inputs.enumerated().map { bytes(random(rows * $1.rowCount, 2 + $0), element) }
    return doubles(try machine.run(inputs, rows: rows)[0], element)
  }

  /// The result by definition.
  private func expected(_ test: Case, _ direction: Convolution.Direction, rows: Int) throws -> [Double] {
    let (x, y) = ([rows, test.channels] + test.image, [rows, test.filters] + test.result)
    func tensor(_ shape: [Int], _ seed: Int) -> Tensor {
      Tensor(TensorLiteral(random(shape.reduce(1, *), seed), shape: shape, element: .f64))
    }
    let image = direction == .inputGradient ? y : x
    let operands =
      direction == .filterGradient ? [tensor(x, 2), tensor(y, 3)] : [tensor(image, 2), tensor(test.filter, 1)]
    let values = try GraphEvaluator().apply(operation(test, direction), operands)[0].doubles
    if direction == .filterGradient { return values }
    return zip(values, random(values.count, 3)).map { max($0 + $1, 0) }
  }

  @Test(arguments: cases.indices, [Convolution.Direction.forward, .inputGradient, .filterGradient])
  func isTheDefinition(_ index: Int, _ direction: Convolution.Direction) throws {
    let test = Self.cases[index]
    let sizes = Set([test.batch, 1]).sorted(by: >)
    let expectations = try sizes.map { try expected(test, direction, rows: $0) }
    for base in test.methods {
      let method = direction == .filterGradient ? base + "_filter" : base
      for element in [ElementType.f32, .f64] {
        let program = try program(test, direction, element, method: method)
        #expect(program.kernels.contains { ConvolutionNote($0)?.method == method })
        #expect(program.verify().map(\.message) == [])
        var machines = [("tcc", try TestCompiler.tcc.machine(program, threads: 3))]
        // The largest are left to the compilers.
        if test.products < 1 << 18 { machines.append(("interpreter", try .interpreting(program))) }
        if element == .f32, index % 4 == 0 || base == "depthwise" { machines.append(("clang", try TestCompiler.fastest.machine(program))) }
        for (rows, wanted) in zip(sizes, expectations) {
          let found = try machines.map { try Array(outputs($0.1, rows: rows).prefix(wanted.count)) }
          let scale = wanted.reduce(1) { max($0, abs($1)) }
          let worst = zip(found[0], wanted).map { abs($0 - $1) }.max()!
          #expect(worst <= (element == .f32 ? 2e-5 : 1e-13) * scale, "\(method) \(element), \(rows) rows: off by \(worst) of \(scale)")
          for (other, machine) in zip(found, machines).dropFirst() {
            #expect(
              zip(other, found[0]).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(method), \(rows) rows, \(machine.0): other bits")
          }
        }
      }
    }
  }
}
