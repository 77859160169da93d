import Basics
import LoopIR

/// A loop over a fixed number of rounds as one node: recurrence whose code does not grow with its length. Operands are what the body captures,
/// then the first values of what the rounds hand on; results are the last values of these, then what each round handed out, stacked along
/// an axis of its own (`TensorType.stacked`).
///
///     %3 = scan(%0: f32[N, 64, 8], %1: f32[8, 8], %2: f32[N, 8], …) : (f32[N, 8], f32[N, 64, 8])
public struct Scan: Operator {
  public static let name = "scan"
  public static let operandNames = ["operands..."]
  public static let formula = "(carried, y[t]) = body(captured, carried, x[t]), round after round"
  public var rounds: Int
  /// Operands that the body captures; those behind them are carried.
  public var captured: Int
  /// Nodes of the body whose values are handed out as well, behind everything else: what the gradient reads. Loops that differ in them
  /// alone are computed as one.
  public var saved: [Int]
  /// The numbers of stacks whose first slice is that of the last round. What is saved is in the order of the rounds.
  public var reversed: [Int]
  public var body: LoopBody

  public init(rounds: Int, captured: Int, saved: [Int] = [], reversed: [Int] = [], body: LoopBody) {
    self.rounds = rounds
    self.captured = captured
    self.saved = saved
    self.reversed = reversed
    self.body = body
  }

  /// The number of values that rounds hand on.
  public var carried: Int { body.carriedTypes.count }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard rounds > 0, (0...operands.count).contains(captured) else { throw TypeError("scan needs a round and all its operands") }
    let carried = Array(operands.dropFirst(captured))
    if let problem = body.problem(rounds: rounds, captured: Array(operands.prefix(captured)), carried: carried) {
      throw TypeError("scan: " + problem)
    }
    guard saved.allSatisfy({ body.graph.nodes.indices.contains($0) && body.graph.nodes[$0].types.count == 1 }) else {
      throw TypeError("scan hands out a value that its body does not have")
    }
    let types = carried + (body.stackedTypes + saved.map { body.graph.nodes[$0].types[0] }).map { $0.stacked(rounds) }
    guard !types.isEmpty else { throw TypeError("scan needs a result") }
    return types
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .loop(self) }

  public static var examples: [OperatorExample] {
    // carried' = carried + w + x[t], handed out too.
    var builder = GraphBuilder(name: "step", symbols: [Symbol(name: "t", maximum: 3, isCounter: true)])
    let pair = TensorType(.i32, [2])
    let x = builder.leaf(Leaf("x", .captured(0)), pair.stacked(3))
    let w = builder.leaf(Leaf("w", .captured(1)), pair)
    let h = builder.leaf(Leaf("h", .carried(0)), pair)
    let slice = try! builder.add(StepSlice(axis: 0, counter: "t"), [x])
    let next = try! builder.add(Add(), [builder.add(Add(), [h, w]), slice])
    builder.update(Leaf("h", .carried(0)), next)
    builder.update(Leaf("y", .stacked(0)), next)
    let scan = Scan(rounds: 3, captured: 2, body: LoopBody(builder.graph))
    return [
      OperatorExample(
        "a running sum", scan,
        [
          TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2], element: .i32), TensorLiteral([10, 20], element: .i32),
          TensorLiteral([100, 200], element: .i32),
        ],
        [
          TensorLiteral([139, 272], element: .i32),
          TensorLiteral([111, 222, 124, 246, 139, 272], shape: [3, 2], element: .i32),
        ], source: "by hand")
    ]
  }
}
