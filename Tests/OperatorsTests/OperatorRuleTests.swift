import Basics
import Differentiation
import Foundation
import GraphIR
import LoopIR
import Operators
import Testing

@testable import TestSupport

/// What examples do not show: gradients where they are a choice, NaN, symbolic sizes, errors.
@Suite struct OperatorRuleTests {
  /// The gradients of the sum of an operator's results with respect to its operands, in f64.
  private func gradients(_ op: any Operator, _ operands: [[Double]], shape: [Int]? = nil) throws -> [[Double]?] {
    var builder = GraphBuilder(name: "g", symbols: [])
    var leaves: [Leaf: Tensor] = [:]
    let values = operands.enumerated().map { k, numbers -> ValueID in
      let tensor = Tensor(TensorLiteral(numbers, shape: shape, element: .f64))
      leaves[Leaf("x\(k)", .input(k))] = tensor
      return builder.leaf(Leaf("x\(k)", .input(k)), tensor.type)
    }
    let loss = try builder.sum(builder.add(op, values))
    let found = try builder.gradients(of: loss, withRespectTo: values)
    let results = try GraphEvaluator().run(builder.graph, leaves: leaves)
    return found.map { $0.map { results[$0]![0].doubles } }
  }

  /// From PyTorch 2.15 in float64.
  @Test func gradientsAtKinksAndTies() throws {
    #expect(try gradients(Abs(), [[0]]) == [[0]])
    #expect(try gradients(Relu(), [[0]]) == [[0]])
    #expect(try gradients(LeakyRelu(), [[0]]) == [[0.01]])
    #expect(try gradients(Elu(alpha: 2), [[0]]) == [[2]])
    #expect(try abs(#require(gradients(Selu(), [[0]])[0])[0] - 1.7580993408473766) < 1e-12)
    #expect(try gradients(PRelu(), [[0], [0.25]]) == [[0.25], [0]])
    #expect(try gradients(Maximum(), [[1, 2], [1, 1]]) == [[0.5, 1], [0.5, 0]])
    #expect(try gradients(Minimum(), [[1, 2], [1, 1]]) == [[0.5, 0], [0.5, 1]])
    #expect(try gradients(Clip(low: -1, high: 2), [[-1, 2, 3, 0]]) == [[0, 0, 0, 1]])
    #expect(try gradients(Max(axes: [0]), [[3, 1, 3]]) == [[0.5, 0, 0.5]])
    #expect(try gradients(Min(axes: [0]), [[1, 1, 3]]) == [[0.5, 0.5, 0]])
    #expect(try gradients(Product(axes: [0]), [[0, 2, 3]]) == [[6, 0, 0]])
    #expect(try gradients(Product(axes: [0]), [[0, 2, 0]]) == [[0, 0, 0]])
    let power = try gradients(Power(), [[0, 0, 2], [2, 0, 0]])
    #expect(power[0] == [0, 0, 0])
    #expect(try zip(#require(power[1]), [0, 0, 0.6931471805599453]).allSatisfy { abs($0 - $1) < 1e-15 })
    #expect(try gradients(Sqrt(), [[0]]) == [[.infinity]])
  }

  /// Course notes: the derivative of the sigmoid at 0, -5 and 10.
  @Test func slopeOfTheSigmoid() throws {
    let found = try #require(try gradients(Sigmoid(), [[0, -5, 10]])[0])
    for (value, wanted) in zip(found, [0.25, 0.0066480567, 4.5395808e-5]) { #expect(abs(value - wanted) < 5e-10) }
  }

  /// Course notes: cross-entropy of the logits of 0.7, 0.2, 0.1 and of 0.99 against 0.
  @Test func slopesOfCrossEntropies() throws {
    var builder = GraphBuilder(name: "g", symbols: [])
    let logits = Tensor(TensorLiteral([log(0.7), log(0.2), log(0.1)], shape: [1, 3], element: .f64))
    let label = Tensor(TensorLiteral([0], element: .i32))
    let z = builder.leaf(Leaf("z", .input(0)), logits.type)
    let t = builder.leaf(Leaf("t", .target(0)), label.type)
    let loss = try builder.sum(builder.softmaxCrossEntropy(z, t))
    let gradient = try #require(try builder.gradients(of: loss, withRespectTo: [z])[0])
    let values = try GraphEvaluator().run(builder.graph, leaves: [Leaf("z", .input(0)): logits, Leaf("t", .target(0)): label])
    for (value, wanted) in zip(values[gradient]![0].doubles, [-0.3, 0.2, 0.1]) { #expect(abs(value - wanted) < 1e-12) }
    let binary = try #require(try gradients(SigmoidCrossEntropy(), [[log(99)], [0]])[0])
    #expect(abs(binary[0] - 0.99) < 1e-12)
  }

  private func values(_ op: any Operator, _ operands: [[Double]]) throws -> [Double] {
    try GraphEvaluator().apply(op, operands.map { Tensor(TensorLiteral($0)) })[0].doubles
  }

  @Test func notANumberStays() throws {
    let nan = Double.nan
    #expect(try values(Relu(), [[nan]])[0].isNaN)
    #expect(try values(Clip(low: 0, high: 1), [[nan]])[0].isNaN)
    #expect(try values(Maximum(), [[nan, 1], [1, nan]]).allSatisfy(\.isNaN))
    #expect(try values(Minimum(), [[nan, 1], [1, nan]]).allSatisfy(\.isNaN))
    #expect(try values(Softmax(), [[1, nan]]).allSatisfy(\.isNaN))
    #expect(try values(SigmoidCrossEntropy(), [[nan], [1]])[0].isNaN)
    #expect(try values(ArgMax(axis: 0), [[nan, nan]]) == [0])
    #expect(try values(ArgMax(axis: 0), [[nan, -3]]) == [1])
    let top = try GraphEvaluator().apply(TopK(k: 2), [Tensor(TensorLiteral([nan, 2]))])
    #expect(top[0].doubles[0] == 2 && top[0].doubles[1].isNaN)
    #expect(top[1].doubles == [1, 0])
  }

  /// A batch of 3 rows in graphs built for at most 8: the mean is over three, and shared weights get their gradient from three.
  @Test func symbolicBatch() throws {
    var builder = GraphBuilder(name: "g", symbols: [Symbol(name: "n", maximum: 8)])
    let (x, w, t) = (Leaf("x", .input(0)), Leaf("w", .parameter), Leaf("t", .target(0)))
    let inputs = builder.leaf(x, TensorType(.f64, [.batch, 2, 2]))
    let weights = builder.leaf(w, TensorType(.f64, [2, 2]))
    let labels = builder.leaf(t, TensorType(.i32, [.batch, 2]))
    let product = try builder.matmul(inputs, weights, transposeB: true)
    let loss = try builder.mean(builder.softmaxCrossEntropy(product, labels))
    let gradient = try #require(try builder.gradients(of: loss, withRespectTo: [weights])[0])
    #expect(builder.type(gradient) == TensorType(.f64, [2, 2]))
    #expect(builder.graph.verify().map(\.message) == [])
    let leaves = [
      x: Tensor(TensorLiteral((0..<12).map { Double($0 % 5) / 2 - 0.75 }, shape: [3, 2, 2], element: .f64)),
      w: Tensor(TensorLiteral([0.5, -1, 0.25, 2], shape: [2, 2], element: .f64)),
      t: Tensor(TensorLiteral([0, 1, 1, 0, 1, 1], shape: [3, 2], element: .i32)),
    ]
    let values = try GraphEvaluator(symbols: ["n": 3]).run(builder.graph, leaves: leaves)
    // PyTorch 2.15 float64, cross_entropy of x @ w.T with its gradient.
    #expect(abs(values[loss]![0].doubles[0] - PyTorch.loss) < 1e-9)
    for (value, wanted) in zip(values[gradient]![0].doubles, PyTorch.gradient) { #expect(abs(value - wanted) < 1e-9) }
  }

  private enum PyTorch {
    static let loss = 0.902534976967
    static let gradient = [0.195672320352, -0.137973653935, -0.195672320352, 0.137973653935]
  }

  @Test func randomNumbersDependOnAllTheirKeys() throws {
    let n = 4096
    func numbers(_ op: any Operator, seed: Double = 1, step: Double = 0) throws -> [Double] {
      let operands = [TensorLiteral([seed], shape: [], element: .u64), TensorLiteral([step], shape: [], element: .i64)]
      return try GraphEvaluator().apply(op, operands.map { Tensor($0) })[0].doubles
    }
    let shape: Shape = [Dimension(n)]
    let uniform = RandomUniform(shape: shape, .f32, key: randomKey("dropout1"))
    let first = try numbers(uniform)
    #expect(try numbers(uniform) == first)
    #expect(first.allSatisfy { (0..<1).contains($0) })
    #expect(abs(first.reduce(0, +) / Double(n) - 0.5) < 0.02)
    for other in [
      try numbers(uniform, seed: 2), try numbers(uniform, step: 1),
      try numbers(RandomUniform(shape: shape, .f32, key: randomKey("dropout2"))),
    ] {
      // Correlation of independent uniform numbers: deviation 1/64.
      let correlation = zip(first, other).reduce(0) { $0 + ($1.0 - 0.5) * ($1.1 - 0.5) } * 12 / Double(n)
      #expect(abs(correlation) < 0.08)
    }
    let normal = try numbers(RandomNormal(shape: shape, .f64, mean: 3, deviation: 2, key: 5))
    let mean = normal.reduce(0, +) / Double(n)
    let deviation = (normal.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)).squareRoot()
    #expect(abs(mean - 3) < 0.15 && abs(deviation - 2) < 0.1)
    let truncated = try numbers(RandomNormal(shape: shape, .f32, mean: 3, deviation: 2, truncated: true, key: 5))
    #expect(truncated.allSatisfy { (-1...7).contains($0) } && truncated.contains { $0 < -0.8 } && truncated.contains { $0 > 6.8 })
  }

  private static let f32 = { (shape: Shape) in TensorType(.f32, shape) }

  @Test(arguments: [
    (MatMul() as any Operator, [f32([.batch, 3]), f32([4, 5])], "matmul of f32[N, 3] and f32[4, 5]: inner sizes 3 and 4 differ"),
    (MatMul(), [f32([3]), f32([3, 5])], "matmul needs operands of two axes or more, got f32[3] and f32[3, 5]"),
    (MatMul(), [f32([2, 3, 4]), f32([3, 4, 5])], "the second needs two axes, or the batch axes of the first"),
    (MatMul(), [f32([2, 2]), TensorType(.f64, [2, 2])], "matmul needs operands of one element type, got f32 and f64; cast one of them"),
    (Add(), [f32([2]), f32([3])], "add needs operands of one shape, got f32[2] and f32[3]"),
    (Relu(), [TensorType(.i32, [2])], "relu needs f32 or f64, got i32"),
    (Negate(), [TensorType(.u8, [2])], "negate needs floats or signed integers, got u8"),
    (Select(), [f32([2]), f32([2]), f32([2])], "select needs a bool condition, got f32"),
    (Softmax(axis: 2), [f32([.batch, 3])], "softmax: axis 2 does not fit f32[N, 3]; it must lie in -2 ..< 2"),
    (Concat(axis: 0), [f32([.batch, 3]), f32([.batch, 3])], "concat: axis 0 of f32[N, 3] must have a size known at compile time"),
    (Concat(axis: 1), [f32([.batch, 3]), f32([2, 3])], "got f32[N, 3] and f32[2, 3]"),
    (Slice(starts: [0], sizes: [5], steps: [1]), [f32([4])], "slice of f32[4]: 5 elements from 0 on by 1 do not lie in axis 0 of size 4"),
    (Gather(), [f32([4, 2]), f32([2])], "gather needs a table and integers, got f32[4, 2] and f32[2]"),
    (TopK(k: 5), [f32([4])], "top_k of f32[4]: k must lie in 0 ... 4, got 5"),
    (SoftmaxCrossEntropy(), [f32([.batch, 3]), f32([.batch])], "needs classes i32[N] or probabilities f32[N, 3], got f32[N]"),
    (Transpose([0, 0]), [f32([2, 2])], "[0, 0] is not a permutation of its 2 axes"),
    (Clip(low: 1, high: 0), [f32([2])], "clip needs low <= high, got 1.0 and 0.0"),
    (OneHot(depth: 3, .f32), [f32([2])], "one_hot needs integers and a positive depth, got f32[2] and 3"),
    (
      RandomUniform(shape: [2], .f32, key: 1), [f32([]), f32([])], "random_uniform needs a seed u64[] and a step i64[], got f32[] and f32[]"
    ),
  ])
  func errors(op: any Operator, operands: [TensorType], message: String) {
    do {
      _ = try op.resultTypes(operands)
      Issue.record("no error")
    } catch { #expect("\(error)".contains(message), "\(error)") }
  }

  /// An error inside a layer names it, whether it comes from a type rule or from broadcasting.
  @Test func errorsNameTheLayer() throws {
    var builder = GraphBuilder(name: "g", symbols: [])
    let (a, b) = (builder.leaf(Leaf("a", .input(0)), Self.f32([2])), builder.leaf(Leaf("b", .input(1)), Self.f32([3])))
    for body in [
      { (builder: inout GraphBuilder) in try builder.add(Add(), [a, b]) }, { builder in try builder.add(a, b) },
    ] {
      let error = try #require(throws: Diagnostic.self) { try builder.scope("dense1", body) }
      #expect(error.message.hasPrefix("layer 'dense1': "))
    }
  }
}
