import Basics
import CRuntime

/// How columns become numbers: fitted in training, kept in the weights file.
public final class Encoder {
  public let pointer: UnsafeMutablePointer<gradc_encoder>

  public init() {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: gradc_encoder())
  }

  /// The encoder that a weights file holds; nil when it holds none (a model trained on arrays).
  public static func read(weights path: String) throws -> Encoder? {
    var file = gradc_safetensors()
    try callRuntime { gradc_safetensors_read(path, &file, $0) }
    defer { gradc_safetensors_free(&file) }
    guard let text = gradc_safetensors_metadata(&file, GRADC_ENCODER_KEY) else { return nil }
    let encoder = Encoder()
    try callRuntime { gradc_encoder_parse(text, encoder.pointer, $0) }
    return encoder
  }

  deinit {
    gradc_encoder_free(pointer)
    pointer.deallocate()
  }

  /// Whether it was fitted, to a table or to images.
  public var isFitted: Bool { gradc_encoder_is_fitted(pointer) }
  /// Whether it makes numbers of images.
  public var isOfImages: Bool { pointer.pointee.images != nil }
  /// Whether it makes tokens of text.
  public var hasTokens: Bool {
    pointer.pointee.text != nil || (0..<pointer.pointee.column_count).contains { pointer.pointee.columns[$0].tokenizer != nil }
  }
  /// For functions of the runtime to which an encoder is optional.
  public var optional: UnsafeMutablePointer<gradc_encoder>? { isFitted ? pointer : nil }
  /// Columns of the fitted file that the recipe does not name.
  public var ignoredColumns: [String] { pointer.pointee.ignored.strings }
  /// Names of the target columns.
  public var targetNames: [String] {
    (0..<pointer.pointee.target_count).compactMap { pointer.pointee.targets[$0].name.map { String(cString: $0) } }
  }
  /// The label of a class of the first target.
  public func label(_ index: Int) -> String? { gradc_encoder_label(pointer, index).map { String(cString: $0) } }
}

/// Encoded rows in memory.
public final class Dataset {
  public let pointer: UnsafeMutablePointer<gradc_dataset>

  /// Reads the recipe's data for a model. `path` replaces the recipe's; with `encoder` given, rows are encoded by it, else by `fitted`,
  /// which is filled. Without split all rows are in the first part.
  public init(
    _ recipe: Recipe, model: UnsafePointer<gradc_model>, path: String? = nil, encoder: Encoder? = nil, fitted: Encoder? = nil,
    withoutTargets: Bool = false, withoutSplit: Bool = false
  ) throws {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: gradc_dataset())
    let texts = TextPool()
    var options = gradc_load_options()
    options.path = path.map(texts.keep)
    options.encoder = encoder.map { UnsafePointer($0.pointer) }
    options.without_targets = withoutTargets
    options.without_split = withoutSplit
    // A failure leaves the dataset empty, and `deinit` frees the memory.
    try callRuntime { gradc_dataset_load(recipe.pointer, model, &options, pointer, fitted?.pointer, $0) }
    withExtendedLifetime((texts, encoder)) {}
  }

  /// Reads image files as rows without targets; a folder stands for the image files in it. Their paths are the ids.
  public init(files: [String], model: UnsafePointer<gradc_model>, encoder: Encoder, skipBad: Bool) throws {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: gradc_dataset())
    let texts = TextPool()
    let paths: [UnsafePointer<CChar>?] = files.map { texts.keep($0) }
    try callRuntime { gradc_dataset_load_files(paths, paths.count, encoder.pointer, model, skipBad, pointer, $0) }
    withExtendedLifetime((texts, encoder)) {}
  }

  deinit {
    gradc_dataset_free(pointer)
    pointer.deallocate()
  }

  public var rowCount: Int { pointer.pointee.row_count }

  /// What is to be said of images that could not be read and were left out; empty when there are none.
  public var skippedText: String { pointer.pointee.images.map { takeText(gradc_images_skipped($0)) } ?? "" }

  /// The rows of a part.
  public func part(_ part: gradc_part_kind) -> UnsafeBufferPointer<UInt32> {
    var count = 0
    let rows = gradc_dataset_part(pointer, part, &count)
    return UnsafeBufferPointer(start: rows, count: count)
  }

  /// The id of a row, when there is an id column.
  public func id(_ row: Int) -> String? { gradc_dataset_id(pointer, row).map { String(cString: $0) } }
}

extension gradc_strings {
  /// The texts.
  public var strings: [String] { (0..<count).compactMap { items[$0].map { String(cString: $0) } } }
}
