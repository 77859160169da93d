import Basics
import CEmitter
import CRuntime

extension Preprocessing {
  /// What a fitted encoder does to rows; nil for one that was not fitted, or that makes tokens of text. `threshold` is the probability from which a row counts as of the
  /// second of two classes.
  public init?(_ encoder: Encoder, threshold: Double = 0.5) {
    guard encoder.isFitted, !encoder.hasTokens else { return nil }
    let fitted = encoder.pointer.pointee
    let markers = fitted.missing_markers.strings
    self.init(
      columns: (0..<fitted.column_count).map { Column(fitted.columns[$0]) },
      inputs: (0..<fitted.input_count).map { index in
        let input = fitted.inputs[index]
        return Input(name: input.name.map { String(cString: $0) }, columns: (0..<input.column_count).map { Int(input.columns[$0]) })
      },
      targets: (0..<fitted.target_count).map { index in
        let target = fitted.targets[index]
        return Target(
          String(cString: target.name), labels: target.classes ? target.categories.labels.strings : [], offset: target.offset,
          scale: target.scale)
      },
      missingTexts: markers, missingNumbers: markers.compactMap(number), threshold: threshold,
      images: fitted.images.map { Images($0.pointee) })
  }
}

extension Preprocessing.Images {
  fileprivate init(_ images: gradc_image_encoding) {
    func numbers(_ pointer: UnsafeMutablePointer<Double>?, _ otherwise: Double) -> [Double] {
      (0..<images.channels).map { pointer?[$0] ?? otherwise }
    }
    self.init(
      channels: images.channels, height: images.height, width: images.width, channelsLast: images.channels_last, scale: images.scale,
      mean: numbers(images.mean, 0), deviation: numbers(images.deviation, 1))
  }
}

extension Preprocessing.Column {
  fileprivate init(_ column: gradc_encoded_column) {
    let refuses = column.missing == GRADC_MISSING_REFUSE || column.missing == GRADC_MISSING_DROP
    guard column.kind == GRADC_FEATURE_ONE_HOT else {
      self.init(
        String(cString: column.name), .number(offset: column.offset, scale: column.scale, fill: refuses ? nil : column.fill))
      return
    }
    let categories: Preprocessing.Categories =
      if let numbers = column.categories.numbers {
        .numbers(Array(UnsafeBufferPointer(start: numbers, count: column.categories.labels.count)))
      } else {
        .texts(column.categories.labels.strings)
      }
    let fill: Preprocessing.Replacement = column.fill_category < 0 ? .zeros : .category(Int(column.fill_category))
    self.init(
      String(cString: column.name),
      .category(
        categories, dropFirst: column.drop_first, unknown: column.unknown_zeros ? .zeros : .refused, missing: refuses ? .refused : fill))
  }
}

/// A marker of missing values as a number, where it is one.
private func number(_ text: String) -> Double? {
  var value = 0.0
  return gradc_parse_number(text, text.utf8.count, &value) ? value : nil
}
