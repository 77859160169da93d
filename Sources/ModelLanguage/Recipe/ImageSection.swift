import Basics

/// Where a data block's images come from and how they become numbers; the lines of the `data` block that only images have.
struct ImageSection {
  /// `idx`, `cifar10`, `npz`, `npy` or `images`, where the data are images; with the place of the line.
  var source: Name?
  /// The kind of the separate test set.
  var test: Name?
  /// The first line that only images have.
  var first: Name?

  /// Words that name the files of images.
  static let sources = ["idx", "cifar10", "npz", "npy", "images"]
  /// The most channels that means can be given for.
  static let givenChannels = 16

  /// The files of a source of the given kind, and what else stands in the recipe's line.
  static func files(_ kind: Name, _ items: [DirectiveItem], _ reader: inout RecipeReader) throws -> [String] {
    switch kind.text {
    case "idx": return try labelledFiles(kind, items, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", &reader)
    case "npy": return try labelledFiles(kind, items, "images.npy", "labels.npy", &reader)
    case "npz": return try archive(items, &reader)
    case "images":
      guard items.count == 1, items[0].word == nil, items[0].label == nil else {
        throw Diagnostic("'images' needs one folder, in which each folder is a class: `images \"photos\"`")
      }
      return [reader.resolve(try reader.string(items[0].value, "a folder"))]
    default:
      guard !items.isEmpty else { throw Diagnostic("'cifar10' needs its files: `cifar10 \"data_batch_1.bin\", \"data_batch_2.bin\"`") }
      return try items.map { item in
        guard item.word == nil, item.label == nil else {
          throw Diagnostic("'cifar10' has no setting '\(item.place.text)'", at: item.place.location, length: item.place.length)
        }
        return reader.resolve(try reader.string(item.value, "a path"))
      }
    }
  }

  /// `idx "images", labels "labels"`.
  private static func labelledFiles(
    _ kind: Name, _ items: [DirectiveItem], _ images: String, _ labels: String, _ reader: inout RecipeReader
  ) throws -> [String] {
    guard items.count == 2, items[0].word == nil, items[0].label == nil, items[1].word?.text == "labels" else {
      throw Diagnostic("'\(kind.text)' needs a file of images and one of labels: `\(kind.text) \"\(images)\", labels \"\(labels)\"`")
    }
    return try items.map { reader.resolve(try reader.string($0.value, "a path")) }
  }

  /// `npz "digits.npz", images "x_train", labels "y_train"`.
  private static func archive(_ items: [DirectiveItem], _ reader: inout RecipeReader) throws -> [String] {
    guard let file = items.first, file.word == nil, file.label == nil else {
      throw Diagnostic("'npz' needs a file: `npz \"digits.npz\", images \"x_train\", labels \"y_train\"`")
    }
    var names: [String: String] = [:]
    for item in items.dropFirst() {
      let label = try reader.label(item, "npz", among: ["images", "labels"])
      guard names.updateValue(try reader.string(item.value, "an array's name"), forKey: label) == nil else {
        throw Diagnostic("'\(label)' is given twice", at: item.place.location, length: item.place.length)
      }
    }
    return [reader.resolve(try reader.string(file.value, "a path"))]
      + [names["images"].map { "x=\($0)" }, names["labels"].map { "y=\($0)" }].compactMap { $0 }
  }
}

extension DataSection {
  /// The handlers of lines that only images have.
  static var imageHandlers: [String: Handler] {
    var handlers: [String: Handler] = [
      "test": Handler { section, directive, reader in try section.readTest(directive, &reader) },
      "scale": Handler { section, directive, reader in try section.readScale(directive, &reader) },
      "augment": Handler { section, directive, reader in try section.readAugment(directive, &reader) },
      "classes": Handler { section, directive, reader in try section.readClasses(directive, &reader) },
      "image_size": Handler { section, directive, reader in try section.readSize(directive, &reader) },
      "color": Handler { section, directive, reader in
        section.noteImages(directive)
        reader.write("color", try reader.word(try reader.only(directive, "gray or rgb"), "the color", among: ["gray", "rgb"]))
      },
      "resize": Handler { section, directive, reader in
        section.noteImages(directive)
        if let item = directive.items.first {
          throw Diagnostic(
            "'resize' stands alone; the model's input says to what size", at: item.place.location, length: item.place.length)
        }
        reader.write("resize")
      },
    ]
    for kind in ["idx", "cifar10", "npz", "images"] {
      handlers[kind] = Handler { section, directive, reader in try section.readImages(directive, &reader) }
    }
    return handlers
  }

  /// The source of images: `idx …`, `cifar10 …`, `npz …`, `images …`, or `npy …, labels …`.
  mutating func readImages(_ directive: Directive, _ reader: inout RecipeReader) throws {
    try source()
    image.source = directive.name
    let kind = directive.name.text
    reader.write(kind == "cifar10" ? "cifar" : kind, try ImageSection.files(directive.name, directive.items, &reader))
  }

  /// `test idx "t10k-images-idx3-ubyte.gz", labels "t10k-labels-idx1-ubyte.gz"`.
  private mutating func readTest(_ directive: Directive, _ reader: inout RecipeReader) throws {
    noteImages(directive)
    guard var first = directive.items.first, let kind = first.word else {
      throw Diagnostic("'test' needs a kind and its files, as the training set has: `test images \"photos/test\"`")
    }
    guard ImageSection.sources.contains(kind.text) else {
      throw Diagnostic(
        "a test set is \(ImageSection.sources.alternatives); found `\(kind.text)`", at: kind.location, length: kind.length,
        fixIt: nearestName(to: kind.text, among: ImageSection.sources))
    }
    image.test = kind
    first.word = nil
    let files = try ImageSection.files(kind, [first] + directive.items.dropFirst(), &reader)
    reader.write("test_data", kind.text == "npz" ? Array(files.prefix(1)) : files)
  }

  /// `scale`: bytes to 0 … 1; `scale none`: pixels as they are.
  private mutating func readScale(_ directive: Directive, _ reader: inout RecipeReader) throws {
    noteImages(directive)
    guard !directive.items.isEmpty else { return reader.write("scale", "unit") }
    reader.write(
      "scale", try reader.word(try reader.only(directive, "unit (pixels / 255) or none"), "the scale", among: ["unit", "none", "auto"]))
  }

  /// `image_size 28, 28`: where the model's input does not say it.
  private mutating func readSize(_ directive: Directive, _ reader: inout RecipeReader) throws {
    noteImages(directive)
    guard directive.items.count == 2 else { throw Diagnostic("'image_size' needs height and width: `image_size 28, 28`") }
    reader.write(
      "image_size",
      try directive.items.map { item in
        let size = try reader.integer(try reader.plain(item, directive), "a height or width", from: 1)
        guard size <= 65_535 else {
          throw Diagnostic("an image has at most 65,535 rows and columns", at: item.value.location, length: item.value.length)
        }
        return "\(size)"
      })
  }

  /// `augment flip: horizontal, shift 2, rotate 10, crop 4, fill: edge`.
  private mutating func readAugment(_ directive: Directive, _ reader: inout RecipeReader) throws {
    noteImages(directive)
    let known = ["flip", "shift", "rotate", "crop", "fill"]
    guard !directive.items.isEmpty else {
      throw Diagnostic("'augment' needs flip, shift, rotate or crop: `augment flip: horizontal, shift 2, rotate 10`")
    }
    var words: [String: String] = [:]
    for item in directive.items {
      let name: String
      var text = "flip"
      if item.word == nil, item.label == nil {
        name = try reader.word(item.value, "an item of 'augment' without a number", among: ["flip"])
      } else {
        name = try reader.label(item, "augment", among: known)
        switch name {
        case "flip": _ = try reader.word(item.value, "the direction", among: ["horizontal"])
        case "fill": text = "fill=\(try reader.word(item.value, "what fills the edges", among: ["black", "edge", "reflect"]))"
        case "rotate": text = "rotation=\(try reader.number(item.value, "the largest angle in degrees", 0...180).recipeText)"
        default:
          let pixels = try reader.integer(item.value, "a number of pixels", from: 1)
          guard pixels <= 1024 else {
            throw Diagnostic("a number of pixels is at most 1024; found \(pixels)", at: item.value.location, length: item.value.length)
          }
          text = "\(name)=\(pixels)"
        }
      }
      guard words.updateValue(text, forKey: name) == nil else {
        throw Diagnostic("'\(name)' is given twice", at: item.place.location, length: item.place.length)
      }
    }
    reader.write("augment", known.compactMap { words[$0] })
  }

  /// `classes "cat", "dog"`: the names of the labels 0, 1 …; of a folder, those that are expected there.
  private mutating func readClasses(_ directive: Directive, _ reader: inout RecipeReader) throws {
    noteImages(directive)
    guard directive.items.count > 1 else {
      throw Diagnostic("'classes' needs the names of at least two classes, in the order of the labels: `classes \"cat\", \"dog\"`")
    }
    var names: [String] = []
    for item in directive.items {
      let expression = try reader.plain(item, directive)
      let name = try reader.string(expression, "a class's name")
      guard !names.contains(name) else {
        throw Diagnostic("class \(name.quotedForLexer) is named twice", at: expression.location, length: expression.length)
      }
      names.append(name)
    }
    reader.write("class_names", names)
  }

  /// `standardize channels`, with the training images' own mean and deviation, or with given ones:
  /// `standardize channels, mean: [0.49, 0.48, 0.45], deviation: [0.25, 0.24, 0.26]`. False for columns.
  mutating func readChannels(_ directive: Directive, _ reader: inout RecipeReader) throws -> Bool {
    guard let item = directive.items.first, item.word == nil, item.label == nil, item.value.bareName?.text == "channels" else {
      return false
    }
    noteImages(directive)
    var given: [String: [Double]] = [:]
    for item in directive.items.dropFirst() {
      let name = try reader.label(item, "standardize channels", among: ["mean", "deviation"])
      guard case .list(let items) = item.value.kind else {
        throw Diagnostic("'\(name)' is a list with a number a channel", at: item.value.location, length: item.value.length)
      }
      given[name] = try items.map {
        try reader.number($0, name == "mean" ? "a mean" : "a deviation", name == "mean" ? -1e9...1e9 : 1e-9...1e9)
      }
    }
    guard given.isEmpty || given["mean"]?.count == given["deviation"]?.count,
      given.values.allSatisfy({ 1...ImageSection.givenChannels ~= $0.count })
    else { throw Diagnostic("'standardize channels' needs as many means as deviations, one a channel, or neither") }
    reader.write("standardize_channels", ((given["mean"] ?? []) + (given["deviation"] ?? [])).map(\.recipeText))
    return true
  }

  private mutating func noteImages(_ directive: Directive) { image.first = image.first ?? directive.name }

  /// Lines that do not go together, when the whole block is read.
  func finishImages(_ block: BlockForm, _ reader: inout RecipeReader) {
    guard let source = image.source else {
      if let first = image.first, hasSource {
        report("'\(first.text)' is for images, and the data are \(arraysOrTable(block))", at: first, &reader)
      }
      return
    }
    // Arrays are images only where a line says so.
    if source.text == "npy", image.first == nil { reader.write("scale", "auto") }
    let common = Set(Self.imageHandlers.keys).union(["npy", "split"])
    for directive in block.directives where Self.handlers[directive.name.text] != nil && !common.contains(directive.name.text) {
      if directive.name.text == "standardize", directive.items.first?.value.bareName?.text == "channels" { continue }
      report("'\(directive.name.text)' is for tables; '\(source.text)' reads images and their labels", at: directive.name, &reader)
    }
    if let test = image.test, test.text != source.text {
      report("the test set is of the same kind as the training set, \(source.text); found \(test.text)", at: test, &reader, [source])
    }
    if let test = image.test, let split = block.directives.first(where: { $0.name.text == "split" }),
      split.items.contains(where: { ($0.label?.bareName ?? $0.word)?.text == "test" })
    {
      report("the test set has files of its own; 'split' divides the others into train and validation", at: split.name, &reader, [test])
    }
  }

  private func arraysOrTable(_ block: BlockForm) -> String {
    block.directives.contains { $0.name.text == "npy" } ? "arrays without `labels`: `npy \"images.npy\", labels \"labels.npy\"`" : "a table"
  }

  private func report(_ message: String, at name: Name, _ reader: inout RecipeReader, _ others: [Name] = []) {
    reader.report(
      Diagnostic(
        message, at: name.location, length: name.length,
        notes: others.map { Diagnostic("here", severity: .note, at: $0.location, length: $0.length) }), at: name)
  }
}
