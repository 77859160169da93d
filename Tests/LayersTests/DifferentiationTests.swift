import Basics
import Differentiation
import GraphIR
import LoopIR
import Operators
import XCTest

final class DifferentiationTests: XCTestCase {
  private func builder() -> GraphBuilder { GraphBuilder(name: "g", symbols: [Symbol(name: "n", maximum: 8)]) }

  private func value(_ builder: GraphBuilder, _ id: ValueID, _ leaves: [String: Values]) throws -> [Double] {
    try GraphEvaluator(builder.graph, n: 3) { leaf, _ in leaves[leaf.name]! }[id].doubles
  }

  /// f = sum of (x y + x), x [2, 3], y [3]: df/dx = y + 1, df/dy = column sums of x.
  func testBroadcastsAreSummed() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [2, 3])), y = b.leaf(Leaf("y", .parameter), TensorType(.f64, [3]))
    let f = try b.sum(b.add(b.multiply(x, y), x))
    let gradients = try b.gradients(of: f, withRespectTo: [x, y])
    let leaves = ["x": Values([1, 2, 3, 4, 5, 6], shape: [2, 3]), "y": Values([10, 20, 30])]
    XCTAssertEqual(try value(b, XCTUnwrap(gradients[0]), leaves), [11, 21, 31, 11, 21, 31])
    XCTAssertEqual(try value(b, XCTUnwrap(gradients[1]), leaves), [5, 7, 9])
  }

  func testUnreachedValueHasNoGradient() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [])), y = b.leaf(Leaf("y", .parameter), TensorType(.f64, []))
    let gradients = try b.gradients(of: b.exp(x), withRespectTo: [x, y])
    XCTAssertNotNil(gradients[0])
    XCTAssertNil(gradients[1])
  }

  func testAnInnerValueAndItsOperandBothGetGradients() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, []))
    let y = try b.multiply(x, x)
    let gradients = try b.gradients(of: b.multiply(y, y), withRespectTo: [y, x])
    let leaves = ["x": Values.scalar(3)]
    XCTAssertEqual(try value(b, XCTUnwrap(gradients[0]), leaves), [18])
    XCTAssertEqual(try value(b, XCTUnwrap(gradients[1]), leaves), [108])
  }

  func testNewNodesBelongToTheForwardNodesLayer() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [2]))
    let y = try b.scope("encoder") { try $0.exp(x) }
    let before = b.graph.nodes.count
    _ = try b.gradients(of: b.sum(y), withRespectTo: [x])
    XCTAssertEqual(b.path, "")
    XCTAssertFalse(b.isBackward)
    let product = try XCTUnwrap(b.graph.nodes.dropFirst(before).first { $0.op is Multiply })
    XCTAssertEqual(product.path, "encoder")
    XCTAssertTrue(product.isBackward)
  }

  /// y = e^x + x as a composite: its derivative is e^x + 1, and e^x is that of the expansion, built once.
  func testACompositeIsDifferentiatedThroughItsExpansion() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [2]))
    let shared = try b.exp(x)
    let f = try b.sum(b.multiply(b.add(Sample(), [x]), shared))
    let gradient = try XCTUnwrap(b.gradients(of: f, withRespectTo: [x])[0])
    let found = try value(b, gradient, ["x": Values([0, 1])])
    let e = 2.718281828459045
    assertClose(found, [3, (e + 1) * e + (e + 1) * e], 1e-12)
    XCTAssertEqual(b.graph.nodes.filter { $0.op is Exp }.count, 1)
  }

  func testAMissingGradientNamesOperatorAndLayer() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [2]))
    let y = try b.scope("head") { try $0.add(Opaque(), [x]) }
    XCTAssertThrowsError(try b.gradients(of: b.sum(y), withRespectTo: [x])) { error in
      XCTAssertEqual((error as? Diagnostic)?.kind, .unsupported)
      XCTAssertEqual(
        (error as? Diagnostic)?.message,
        "operator 'opaque' in layer 'head' has no gradient, and the loss depends on a parameter through it")
    }
  }

  func testATupleGetsACotangentForEachElement() throws {
    var b = builder()
    let x = b.leaf(Leaf("x", .parameter), TensorType(.f64, [2]))
    let parts = try b.elements(b.add(Twins(), [x]))
    let f = try b.sum(b.add(b.multiply(parts[0], 3), b.multiply(parts[1], parts[1])))
    let gradient = try XCTUnwrap(b.gradients(of: f, withRespectTo: [x])[0])
    // Values x and 2x: df/dx = 3 + 2 · 2 · 2x.
    XCTAssertEqual(try value(b, gradient, ["x": Values([1, -2])]), [11, -13])
  }
}

/// e^x + x, only as a composite.
private struct Sample: Operator {
  static let name = "sample", operandNames = ["x"], formula = "y = e^x + x"
  static var examples: [OperatorExample] { [] }
  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { operands }
  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .composite { [try $0.add($0.exp($1[0]), $1[0])] } }
}

/// No gradient at all.
private struct Opaque: Operator {
  static let name = "opaque", operandNames = ["x"], formula = "y = x"
  static var examples: [OperatorExample] { [] }
  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { operands }
  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.operand(0, rank: 1)) }
}

/// The tuple (x, 2x).
private struct Twins: Operator {
  static let name = "twins", operandNames = ["x"], formula = "y, z = x, 2x"
  static var examples: [OperatorExample] { [] }
  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [operands[0], operands[0]] }
  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { [try $0.multiply($1[0], 1), try $0.multiply($1[0], 2)] }
  }
}
