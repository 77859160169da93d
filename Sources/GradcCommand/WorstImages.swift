import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR

extension TrainingHistory {
  /// Adds the images with the highest loss among the test rows, or the validation rows where there is no test. Nothing for models that do
  /// not classify, and for rows that are no images. `channelsLast`: how a row of an input is to be seen as an image.
  mutating func addWorstImages(_ trainer: Trainer, _ data: Dataset, _ program: Program, _ encoder: Encoder, channelsLast: Bool) throws {
    for (name, part) in [("test", GRADC_PART_TEST), ("validation", GRADC_PART_VALIDATION)] {
      let rows = data.part(part)
      guard !rows.isEmpty else { continue }
      guard let source = PictureSource(data, program, channelsLast: channelsLast) else { return }
      worst = try worstRows(trainer, data, program, rows).map { row in
        source.picture(
          of: row.row, source: data.id(row.row) ?? "row \(Int(data.pointer.pointee.source_rows?[row.row] ?? UInt32(row.row)) + 1)",
          label: { encoder.label($0) ?? "\($0)" }, row)
      }
      worstPart = name
      return
    }
  }
}

/// A row with what the model says of it.
private struct JudgedRow {
  var row: Int
  var actual: Int
  var predicted: Int
  var probability: Double
  var actualProbability: Double
}

/// How many images a report shows.
private let worstCount = 24

/// The rows to whose class the model gives the least probability, least first.
private func worstRows(
  _ trainer: Trainer, _ data: Dataset, _ program: Program, _ rows: UnsafeBufferPointer<UInt32>
) throws -> [JudgedRow] {
  guard program.task != .regression, data.pointer.pointee.target_count > 0, let first = program.outputs.first else { return [] }
  let target = data.pointer.pointee.targets[0]
  let width = first.rowCount
  // One prediction a row: sequences have several.
  guard let labels = target.data, target.row_count == 1 || target.row_count == width, program.task == .binary || width > 1 else {
    return []
  }
  let buffers = program.outputs.map { AlignedBuffer($0.element, count: rows.count * $0.rowCount) }
  try predictRows(trainer, data, rows, buffers)
  let numbers = buffers[0].numbers
  var judged = rows.indices.map { index -> JudgedRow in
    let row = Int(rows[index])
    var target = [Double](repeating: 0, count: target.row_count)
    gradc_convert(
      labels.advanced(by: row * data.pointer.pointee.targets[0].row_bytes), gradc_element_dtype(data.pointer.pointee.targets[0].element),
      target.count, &target, GRADC_DTYPE_F64)
    var shares = Array(numbers[index * width..<(index + 1) * width])
    if program.task == .binary { shares = [1 - shares[0], shares[0]] }
    let actual = target.count == 1 ? min(max(0, Int(target[0].rounded())), shares.count - 1) : largest(target)
    let predicted = largest(shares)
    return JudgedRow(
      row: row, actual: actual, predicted: predicted, probability: shares[predicted], actualProbability: shares[actual])
  }
  judged.sort { ($0.actualProbability, $0.row) < ($1.actualProbability, $1.row) }
  return Array(judged.prefix(worstCount))
}

private func largest(_ values: [Double]) -> Int { values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 } }

/// Where pictures of rows come from: the images that were read, or an input whose rows have the shape of an image.
private struct PictureSource {
  private let data: Dataset
  private let width: Int
  private let height: Int
  private let channels: Int
  /// The input to draw when there are no images.
  private var input: Int?
  private let channelsLast: Bool

  /// Nil when rows are no images.
  init?(_ data: Dataset, _ program: Program, channelsLast: Bool) {
    self.data = data
    self.channelsLast = channelsLast
    if let images = data.pointer.pointee.images?.pointee {
      (width, height, channels) = (images.encoding.width, images.encoding.height, images.encoding.channels)
      guard channels == 1 || channels == 3 else { return nil }
      return
    }
    func sizes(_ dims: [Int]) -> (height: Int, width: Int, channels: Int)? {
      let found: (Int, Int, Int)
      switch dims.count {
      case 2: found = (dims[0], dims[1], 1)
      case 3: found = channelsLast ? (dims[0], dims[1], dims[2]) : (dims[1], dims[2], dims[0])
      default: return nil
      }
      return found.0 >= 4 && found.1 >= 4 && (found.2 == 1 || found.2 == 3) ? found : nil
    }
    guard let index = program.inputs.firstIndex(where: { sizes($0.dims) != nil }), program.inputs[index].element.isFloat else { return nil }
    (height, width, channels) = sizes(program.inputs[index].dims)!
    input = index
  }

  func picture(of row: Int, source: String, label: (Int) -> String, _ judged: JudgedRow) -> WorstImage {
    var pixels = [UInt8](repeating: 0, count: width * height * channels)
    if let input {
      pixels = stretched(row, input)
    } else {
      gradc_images_picture(data.pointer.pointee.images, row, &pixels)
    }
    return WorstImage(
      width: width, height: height, channels: channels, pixels: pixels, source: source, actual: label(judged.actual),
      predicted: label(judged.predicted), probability: judged.probability, actualProbability: judged.actualProbability
    ).shrunk()
  }

  /// A row of numbers as a picture, channels last: the smallest is black, the largest white.
  private func stretched(_ row: Int, _ input: Int) -> [UInt8] {
    let port = data.pointer.pointee.inputs[input]
    guard let memory = port.data else { return [UInt8](repeating: 0, count: width * height * channels) }
    var numbers = [Double](repeating: 0, count: port.row_count)
    gradc_convert(memory.advanced(by: row * port.row_bytes), gradc_element_dtype(port.element), numbers.count, &numbers, GRADC_DTYPE_F64)
    let (low, high) = (numbers.min() ?? 0, numbers.max() ?? 0)
    let plane = width * height
    return (0..<numbers.count).map { index in
      let value = channelsLast || channels == 1 ? numbers[index] : numbers[index % channels * plane + index / channels]
      return high > low ? UInt8(255 * (value - low) / (high - low)) : 0
    }
  }
}
