import CRuntime
import CTestModels
import Foundation
import XCTest

/// Images of a data set as loaded by a recipe, with all that a test may ask of them.
struct LoadedImages {
  var dataset = gradc_dataset()
  var encoder = gradc_encoder()

  var images: gradc_images { dataset.images.pointee }
  var count: Int { dataset.row_count }

  /// Decoded bytes of a row, channels last.
  func bytes(_ row: Int) -> [UInt8] {
    var images = images
    let count = images.encoding.height * images.encoding.width * images.encoding.channels
    return Array(UnsafeBufferPointer(start: gradc_images_row(&images, row)!.assumingMemoryBound(to: UInt8.self), count: count))
  }

  /// Rows as the model's input gets them, elements of f64.
  func inputs(_ rows: [UInt32], augmented: (seed: UInt64, epoch: UInt64)? = nil) -> [[Double]] {
    var images = images
    let width = dataset.inputs[0].row_count
    var values = [Double](repeating: .nan, count: rows.count * width)
    gradc_images_gather(
      &images, rows, rows.count, augmented != nil, augmented?.seed ?? 0, augmented?.epoch ?? 0, GRADC_F64, &values)
    return rows.indices.map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  var labels: [Double] { rows(dataset.targets[0], count).map { $0[0] } }

  func part(_ part: gradc_part_kind) -> [UInt32] {
    var dataset = dataset
    var count = 0
    let rows = gradc_dataset_part(&dataset, part, &count)
    return Array(UnsafeBufferPointer(start: rows, count: count))
  }

  var mean: [Double] { (0..<images.encoding.channels).map { images.encoding.mean[$0] } }
  var deviation: [Double] { (0..<images.encoding.channels).map { images.encoding.deviation[$0] } }
  var classes: [String] { encoder.target_count == 0 ? [] : strings(encoder.targets[0].categories.labels) }

  /// What was left out, as it is told.
  var skipped: String? {
    var images = images
    guard let text = gradc_images_skipped(&images) else { return nil }
    defer { gradc_text_free(text) }
    return String(cString: text)
  }
}

/// A model's ports with the dimensions of its image.
final class ImagePorts {
  private let ports: Ports
  private let dims: UnsafeMutablePointer<Int64>
  private let input: UnsafeMutablePointer<gradc_port>
  var model: gradc_model

  init(_ shape: [Int64], classes: Int) {
    let count = Int(shape.reduce(1, *))
    ports = Ports(
      inputs: [("image", GRADC_F32, count)], outputs: [("class", GRADC_F32, classes)], targets: [("label", GRADC_I32, 1)],
      task: GRADC_TASK_CLASSES)
    dims = .allocate(capacity: shape.count + 1)
    dims.initialize(to: -1)
    for (index, size) in shape.enumerated() { (dims + index + 1).initialize(to: size) }
    input = .allocate(capacity: 1)
    input.initialize(to: ports.model.inputs[0])
    input.pointee.rank = Int32(shape.count + 1)
    input.pointee.dims = UnsafePointer(dims)
    model = ports.model
    model.inputs = UnsafePointer(input)
  }

  deinit {
    dims.deallocate()
    input.deallocate()
  }
}

/// Loads the images of a recipe and frees them after `body`.
func withImages<T>(
  _ recipe: String, model: ImagePorts? = nil, options: gradc_load_options = gradc_load_options(), _ body: (inout LoadedImages) throws -> T
) throws -> T {
  try withRecipe(recipe) { recipe in
    var loaded = LoadedImages()
    var options = options
    try check { error in
      guard let model else { return gradc_dataset_load(&recipe, nil, &options, &loaded.dataset, &loaded.encoder, error) }
      return gradc_dataset_load(&recipe, &model.model, &options, &loaded.dataset, &loaded.encoder, error)
    }
    defer {
      gradc_dataset_free(&loaded.dataset)
      gradc_encoder_free(&loaded.encoder)
    }
    return try body(&loaded)
  }
}

/// The message of a recipe whose images must not load.
func imageFailure(_ recipe: String, model: ImagePorts? = nil, file: StaticString = #filePath, line: UInt = #line) -> String {
  do {
    try withImages(recipe, model: model) { _ in }
  } catch let error as RuntimeError {
    XCTAssertEqual(Int(error.code), GRADC_EXIT_DATA, error.message, file: file, line: line)
    return error.message
  } catch {}
  XCTFail("expected an error", file: file, line: line)
  return ""
}

// MARK: - Files

func write(_ bytes: [UInt8], _ path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

func bigEndian(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

/// An IDX file of unsigned bytes.
func idx(_ dims: [Int], _ bytes: [UInt8]) -> [UInt8] { [0, 0, 8, UInt8(dims.count)] + dims.flatMap(bigEndian) + bytes }

/// A version 1 .npy file in C order.
func npy(_ descr: String, _ dims: [Int], _ data: [UInt8]) -> [UInt8] {
  let shape = dims.map(String.init).joined(separator: ", ") + (dims.count == 1 ? "," : "")
  var header = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (\(shape)), }"
  while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
  header += "\n"
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)] + Array(header.utf8) + data
}

func littleEndian<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

/// `count` bytes that follow from a key.
func noise(_ count: Int, key: UInt64) -> [UInt8] { (0..<UInt64(count)).map { UInt8(truncatingIfNeeded: gradc_random(key, $0)) } }

func writePNG(
  _ path: String, _ pixels: [UInt8], _ height: Int, _ width: Int, channels: Int = 3, depth: Int = 8, interlaced: Bool = false
) throws {
  try FileManager.default.createDirectory(
    at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
  XCTAssertEqual(
    test_write_png(path, pixels, UInt32(height), UInt32(width), Int32(channels), Int32(depth), interlaced ? 1 : 0), 0, path)
}

func writeJPEG(
  _ path: String, _ pixels: [UInt8], _ height: Int, _ width: Int, channels: Int = 3, quality: Int = 95, progressive: Bool = false
) throws {
  try FileManager.default.createDirectory(
    at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
  XCTAssertEqual(
    test_write_jpeg(path, pixels, UInt32(height), UInt32(width), Int32(channels), Int32(quality), progressive ? 1 : 0), 0, path)
}
