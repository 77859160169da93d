/// An image that a classifier got wrong, or right for little.
public struct WorstImage: Hashable, Sendable {
  public var width: Int
  public var height: Int
  /// 1: gray; 3: red, green, blue.
  public var channels: Int
  /// height × width × channels.
  public var pixels: [UInt8]
  /// The file or row that it is.
  public var source: String
  public var actual: String
  public var predicted: String
  /// What the model gives the predicted and the actual class.
  public var probability: Double
  public var actualProbability: Double

  public init(
    width: Int, height: Int, channels: Int, pixels: [UInt8], source: String, actual: String, predicted: String, probability: Double,
    actualProbability: Double
  ) {
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
    self.source = source
    self.actual = actual
    self.predicted = predicted
    self.probability = probability
    self.actualProbability = actualProbability
  }

  /// The largest side of a picture in a report.
  private static let side = 96

  /// The same with sides of at most 96 pixels: means of whole blocks of pixels.
  public func shrunk() -> WorstImage {
    let factor = (max(width, height) + Self.side - 1) / Self.side
    guard factor > 1 else { return self }
    var small = self
    (small.width, small.height) = (max(1, width / factor), max(1, height / factor))
    small.pixels = []
    for y in 0..<small.height {
      for x in 0..<small.width {
        for channel in 0..<channels {
          var sum = 0
          var count = 0
          for row in y * factor..<min(height, (y + 1) * factor) {
            for column in x * factor..<min(width, (x + 1) * factor) {
              sum += Int(pixels[(row * width + column) * channels + channel])
              count += 1
            }
          }
          small.pixels.append(UInt8((sum + count / 2) / count))
        }
      }
    }
    return small
  }

  /// The picture with what it is and what it was taken for.
  func figure() -> String {
    let address = PortableNetworkGraphics(width: width, height: height, channels: channels, pixels: pixels).dataAddress
    // A percent sign alone on a line is not read.
    func share(_ value: Double) -> String {
      NumberText.fixed(100 * value, value < 0.005 || value > 0.995 ? 1 : 0) + "\u{A0}%"
    }
    let words = "\(source): \(actual), predicted \(predicted)".markup
    return "<figure><img src=\"\(address)\" alt=\"\(words)\" title=\"\(words)\" width=\"96\" height=\"96\">"
      + "<figcaption><b>\(actual.markup)</b> (\(share(actualProbability)))"
      + (actual == predicted ? "" : "<br>predicted \(predicted.markup) (\(share(probability)))") + "</figcaption></figure>\n"
  }
}
