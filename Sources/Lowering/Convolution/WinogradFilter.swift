import Basics
import GraphIR
import LoopIR

/// A filter [O, C, 3, 3] as the 36 matrices that Winograd's transformed images are multiplied with, in panels of columns:
/// [panels, 36, C, width] for the forward direction. For the input's gradient the filter is turned by half a circle and the rows are O, the
/// columns C. The last panel is filled up with zeros.
struct WinogradFilter: Operator {
  static let name = "winograd_filter"
  static let operandNames = ["filter"]
  static let formula = "u[p] = G g G^T"
  static let examples: [OperatorExample] = []
  var isTurned: Bool
  /// Columns of a panel.
  var width: Int

  private func sizes(_ filter: TensorType) -> (rows: Int, columns: Int) {
    let (o, c) = (filter.shape[0].coefficient, filter.shape[1].coefficient)
    return isTurned ? (o, c) : (c, o)
  }

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let (rows, columns) = sizes(operands[0])
    return [
      TensorType(
        operands[0].element,
        [Dimension((columns + width - 1) / width), Dimension(WinogradTransforms.products), Dimension(rows), Dimension(width)])
    ]
  }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (rows, columns) = sizes(operands[0])
    let element = operands[0].element
    let taps = WinogradTransforms.filterSide * WinogradTransforms.filterSide
    let lanes = WinogradSizes.lanes(element)
    let (row, lane, first) = (Index.variable("row"), Index.variable("lane"), Index.variable("first"))
    // A column's taps lie side by side, its neighbours' far away, in another page: they are turned over in a local array, of four rows at once
    // where those are neighbours.
    let height = !isTurned && rows % 4 == 0 ? 4 : 1
    let column = Index.variable("i0") * width + Index.variable("column")
    func gathered(_ tap: Int) -> Scalar {
      let place = columns % width == 0 ? column : .minimum(column, .constant(columns - 1))
      let pair = isTurned ? row * columns + place : place * rows + row
      let value = Scalar.load("x0", pair * taps + (isTurned ? taps - 1 - tap : tap))
      guard columns % width != 0 else { return value }
      return .select(.compare(.lt, .index(column, .i32), .integer(columns, .i32)), value, .float(0, element))
    }
    let gather = Loop(
      "column", to: .constant(width), (0..<height * taps).map { .store("taps", .variable("column") + $0 * width, gathered($0)) })
    var code = WinogradTransforms(element, prefix: "g")
    let below = Index.variable("below")
    let filter = (0..<3).map { i in (0..<3).map { j in Scalar.load("taps", below * (taps * width) + first + lane + (3 * i + j) * width) } }
    let products = code.both(filter, WinogradTransforms.filter)
    let panel = Index.variable("i0") * (WinogradTransforms.products * rows * width)
    var body = code.statements
    for (p, value) in products.joined().enumerated() {
      body.append(.store("y0", panel + (row + below) * width + first + lane + p * rows * width, value))
    }
    let transform = Loop(
      "first", to: .constant(width), step: lanes, [.loop(Loop("lane", to: .constant(lanes), kind: .lanes, body))])
    let transforms = Loop("below", to: .constant(height), [.loop(transform)])
    return .custom(
      CustomLoops(
        outerRank: 1,
        body: [
          .loop(
            Loop(
              "row", to: .constant(rows), step: height,
              [.array("taps", element, count: height * taps * width), .loop(gather), .loop(transforms)]))
        ]))
  }
}
