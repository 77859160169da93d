import Basics
import CRuntime
import Glibc

/// A recipe as the runtime reads it: what the `data` and `train` blocks of a model file say, and what flags changed.
public final class Recipe {
  public let pointer: UnsafeMutablePointer<gradc_recipe>
  /// Names of the fields that were changed after reading, as flags write them: `optimizer`, `clip-norm`.
  public private(set) var changed: Set<String> = []
  private let texts = TextPool()

  /// Reads the line form.
  public init(text: String) throws {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: gradc_recipe())
    try callRuntime { gradc_recipe_parse(text, pointer, $0) }
  }

  /// Whether the data are images, which the runtime reads with libraries.
  public var readsImages: Bool {
    let source = pointer.pointee.source
    return (GRADC_SOURCE_IDX.rawValue...GRADC_SOURCE_FOLDER.rawValue).contains(source.rawValue)
      || (source == GRADC_SOURCE_NPY && pointer.pointee.images.used)
  }

  deinit {
    gradc_recipe_free(pointer)
    pointer.deallocate()
  }

  /// Applies a flag of training to the recipe or to the options. Throws an error of usage for a value that does not fit.
  public func apply(flag: String, value: String?, to options: inout gradc_train_options) throws {
    let kept = value.map(texts.keep)
    try callRuntime { gradc_train_flag(flag, kept, pointer, &options, $0) }
    changed.insert(flag)
  }

  /// Drops metrics that only classifiers have, and a monitor that watches one of them: what is left of a classifier's recipe when its loss
  /// was replaced by one of numbers. Gives the names that were dropped.
  public func dropMetricsOfClassifiers() -> [String] {
    let ofNumbers = ["mae", "mse", "rmse", "r2"]
    let recipe = pointer
    var dropped: [String] = []
    var kept = 0
    for index in 0..<recipe.pointee.metrics.count {
      guard let item = recipe.pointee.metrics.items[index] else { continue }
      let name = String(cString: item)
      if ofNumbers.contains(name) {
        recipe.pointee.metrics.items[kept] = item
        kept += 1
      } else {
        dropped.append(name)
        free(item)
      }
    }
    recipe.pointee.metrics.count = kept
    if let monitor = recipe.pointee.monitor, dropped.contains(where: { String(cString: monitor).hasSuffix($0) }) {
      free(monitor)
      recipe.pointee.monitor = nil
    }
    return dropped
  }

  /// Sets a field as a flag of that name would.
  public func set(_ field: String, _ value: String) throws {
    try callRuntime { gradc_recipe_set(pointer, field, value, $0) }
    changed.insert(field)
  }

  /// The line form; what equals its default is left out.
  public func text() throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    try callRuntime { gradc_recipe_print(pointer, &text, $0) }
    return takeText(text)
  }

  /// Rows a step; nil: all.
  public var batch: Int? { pointer.pointee.batch > 0 ? Int(pointer.pointee.batch) : nil }

  /// Whether it names data.
  public var hasData: Bool { pointer.pointee.source != GRADC_SOURCE_NONE }
}

extension gradc_choice {
  /// Name and settings, when there is one.
  var call: (name: String, settings: [(key: String, text: String, value: Double)])? {
    guard let name else { return nil }
    return (
      String(cString: name),
      (0..<count).map { (String(cString: settings[$0].key), String(cString: settings[$0].text), settings[$0].value) }
    )
  }
}
