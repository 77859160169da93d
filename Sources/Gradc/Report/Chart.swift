/// Curves over epochs, drawn as SVG. Colours are custom properties of the page, so that light and dark need one drawing.
struct Chart {
  /// A curve; `role` picks its colour.
  struct Series {
    enum Role: String { case training, validation }

    var name: String
    var role: Role
    /// Values by epoch; nil or not finite leaves a gap.
    var values: [Double?]
  }

  var title: String
  /// Numbers of the epochs, ascending.
  var epochs: [Int]
  var series: [Series]
  var bestEpoch: Int?
  var allowsLogarithm = false

  private static let width = 760.0
  private static let height = 300.0
  private static let left = 64.0
  private static let right = 16.0
  private static let top = 40.0
  private static let bottom = 44.0
  /// More points than this are drawn as a line alone.
  private static let pointLimit = 60

  private var xAxis: Axis { Axis(whole: epochs.first ?? 1, epochs.last ?? 2) }
  private var yAxis: Axis { Axis(of: series.flatMap(\.values).compactMap { $0 }, allowsLogarithm: allowsLogarithm) }

  private func x(_ epoch: Double, _ axis: Axis) -> Double {
    Self.left + axis.position(epoch) * (Self.width - Self.left - Self.right)
  }

  private func y(_ value: Double, _ axis: Axis) -> Double {
    Self.height - Self.bottom - axis.position(value) * (Self.height - Self.top - Self.bottom)
  }

  /// The `<svg>` element.
  func svg() -> String {
    let (horizontal, vertical) = (xAxis, yAxis)
    let scale = vertical.isLogarithmic ? " (logarithmic)" : ""
    var text =
      "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\((title + " by epoch").markup)\">\n"
      + "<text class=\"title\" x=\"\(Self.left.point)\" y=\"20\">\((title + scale).markup)</text>\n"
    text += legend()
    text += grid(horizontal, vertical)
    text += bestMark(horizontal)
    for one in series { text += curve(one, horizontal, vertical) }
    return text + "</svg>\n"
  }

  private func legend() -> String {
    var text = ""
    var x = Self.width - Self.right
    for one in series.reversed() {
      // About 7 units a character at this size.
      guard series.count > 1 else { break }
      x -= 7 * Double(one.name.count) + 34
      text +=
        "<line class=\"\(one.role.rawValue)\" x1=\"\(x.point)\" y1=\"16\" x2=\"\((x + 20).point)\" y2=\"16\"/>"
        + "<text class=\"label\" x=\"\((x + 26).point)\" y=\"20\">\(one.name.markup)</text>\n"
    }
    return text
  }

  private func grid(_ horizontal: Axis, _ vertical: Axis) -> String {
    let (from, to) = (Self.left.point, (Self.width - Self.right).point)
    let base = Self.height - Self.bottom
    var text = ""
    for tick in vertical.ticks {
      let y = y(tick, vertical).point
      text +=
        "<line class=\"grid\" x1=\"\(from)\" y1=\"\(y)\" x2=\"\(to)\" y2=\"\(y)\"/>"
        + "<text class=\"tick\" x=\"\((Self.left - 8).point)\" y=\"\(y)\" dy=\"0.35em\" text-anchor=\"end\">"
        + "\(NumberText.significant(tick, 6))</text>\n"
    }
    text += "<line class=\"axis\" x1=\"\(from)\" y1=\"\(base.point)\" x2=\"\(to)\" y2=\"\(base.point)\"/>\n"
    for tick in horizontal.ticks {
      let x = x(tick, horizontal).point
      text +=
        "<line class=\"axis\" x1=\"\(x)\" y1=\"\(base.point)\" x2=\"\(x)\" y2=\"\((base + 4).point)\"/>"
        + "<text class=\"tick\" x=\"\(x)\" y=\"\((base + 18).point)\" text-anchor=\"middle\">\(Int(tick))</text>\n"
    }
    let middle = (Self.left + (Self.width - Self.left - Self.right) / 2).point
    return text + "<text class=\"tick\" x=\"\(middle)\" y=\"\((Self.height - 8).point)\" text-anchor=\"middle\">epoch</text>\n"
  }

  private func bestMark(_ horizontal: Axis) -> String {
    guard let bestEpoch else { return "" }
    let x = x(Double(bestEpoch), horizontal)
    let isRight = x > Self.width - 150
    return
      "<line class=\"best\" x1=\"\(x.point)\" y1=\"\(Self.top.point)\" x2=\"\(x.point)\" y2=\"\((Self.height - Self.bottom).point)\"/>"
      + "<text class=\"tick\" x=\"\((x + (isRight ? -6 : 6)).point)\" y=\"\((Self.top + 4).point)\" dy=\"0.5em\""
      + "\(isRight ? " text-anchor=\"end\"" : "")>best: epoch \(bestEpoch)</text>\n"
  }

  private func curve(_ one: Series, _ horizontal: Axis, _ vertical: Axis) -> String {
    var path = ""
    var points = ""
    var isDrawing = false
    for (epoch, value) in zip(epochs, one.values) {
      guard let value, value.isFinite else {
        isDrawing = false
        continue
      }
      let (x, y) = (x(Double(epoch), horizontal).point, y(value, vertical).point)
      path += "\(isDrawing ? "L" : "M")\(x) \(y)"
      isDrawing = true
      if epochs.count <= Self.pointLimit {
        points +=
          "<circle class=\"\(one.role.rawValue)\" cx=\"\(x)\" cy=\"\(y)\" r=\"2.5\"><title>epoch \(epoch): \(one.name.markup) "
          + "\(NumberText.significant(value, 5))</title></circle>"
      }
    }
    return path.isEmpty ? "" : "<path class=\"\(one.role.rawValue)\" d=\"\(path)\"/>\(points)\n"
  }
}

extension Double {
  /// A coordinate with one digit after the point.
  fileprivate var point: String { NumberText.fixed(self, 1) }
}

extension String {
  /// Text as it may stand in an element or an attribute of HTML and SVG. Characters that XML does not know become a question mark.
  var markup: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      default: text.unicodeScalars.append(scalar.value < 0x20 && scalar != "\n" && scalar != "\t" ? "?" : scalar)
      }
    }
    return text
  }
}
