import Basics
import GraphIR
import LoopIR
import Lowering
import Operators
import XCTest

/// State changes read the state before the step and commit together, whatever shares a kernel.
final class UpdateTests: XCTestCase {
  private let type = TensorType(.f32, [4])

  /// Runs an entry `update` over the parameters a and b, which begin as 1, 2, 3, 4 and 10, 20, 30, 40; gives both afterwards.
  private func run(_ build: (inout GraphBuilder, Leaf, Leaf) throws -> Void) throws -> (a: [Float], b: [Float]) {
    var model = Model(name: "pair", element: .f32, symbols: [Symbol(name: "n", maximum: 1)])
    model.parameters = ["a", "b"].map { Parameter(name: $0, shape: [4]) }
    var builder = GraphBuilder(name: "update", symbols: model.symbols)
    try build(&builder, Leaf("a", .parameter), Leaf("b", .parameter))
    model.graphs = [builder.graph]
    let program = try lower(model)
    let start: [Float] = [1, 2, 3, 4, 10, 20, 30, 40]
    var memory: [Block: [UInt8]] = [
      .parameters: start.withUnsafeBytes { Array($0) }, .arena: Array(repeating: 0, count: program.entries[0].arenaBytes),
      .controls: Array(repeating: 0, count: Controls.size),
    ]
    _ = try Interpreter(program).run("update", memory: &memory, symbols: ["n": 1])
    let after = memory[.parameters]!.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    return (Array(after[..<4]), Array(after[4...]))
  }

  func testAMemberReadsTheOldValueThatAnotherReplaces() throws {
    let (a, b) = try run { builder, a, b in
      let (x, y) = (builder.leaf(a, type), builder.leaf(b, type))
      builder.update(a, try builder.multiply(y, builder.constant(2, .f32)))
      builder.update(b, try builder.add(x, y))
    }
    XCTAssertEqual(a, [20, 40, 60, 80])
    XCTAssertEqual(b, [11, 22, 33, 44])
  }

  func testAValueReadAtOtherElementsIsStaged() throws {
    let (a, b) = try run { builder, a, _ in
      let x = builder.leaf(a, type)
      let shifted = try builder.concat([builder.slice(x, axis: 0, from: 1, to: 4), builder.slice(x, axis: 0, from: 0, to: 1)], axis: 0)
      builder.update(a, try builder.add(shifted, x))
    }
    XCTAssertEqual(a, [3, 5, 7, 5])
    XCTAssertEqual(b, [10, 20, 30, 40])
  }

  func testNothingIsCommittedWhenARequirementIsNotFinite() throws {
    let (a, b) = try run { builder, a, b in
      let (x, y) = (builder.leaf(a, type), builder.leaf(b, type))
      builder.update(a, try builder.add(x, y))
      builder.update(b, try builder.multiply(y, y))
      builder.require(finite: try builder.log(builder.subtract(builder.sum(x), builder.constant(11, .f32))))
    }
    XCTAssertEqual(a, [1, 2, 3, 4])
    XCTAssertEqual(b, [10, 20, 30, 40])
  }
}
