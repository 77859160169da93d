import CRuntime
import ModelLanguage
import Testing

private func recipe(_ data: String, layout: String = "") throws -> [String] {
  let network = "model m {\n\(layout)  input x: f32[N, 3, 4, 4]\n  output y = x |> flatten |> dense(2) |> softmax\n}\n"
  let lines = data.split(separator: ";").map { "  \($0)\n" }.joined()
  let text = network + "data {\n\(lines)}\ntrain {\n  loss sparse_categorical_cross_entropy(y, target)\n}\n"
  let file = try ModelFile(text: text, file: "m.gradc", folder: "f")
  return file.recipe.split(separator: "\n").map { String($0).replacing("\t", with: " ") }.filter { !$0.hasPrefix("loss") }
}

/// Images in the `data` block, and the word on their layout.
@Suite struct ImageRecipeTests {
  @Test func filesOfEachKind() throws {
    #expect(
      try recipe("idx \"a.gz\", labels \"/b\";test idx \"c\", labels \"d\"") == [
        "idx f/a.gz /b", "test_data f/c f/d", "layout channels_first",
      ])
    #expect(try recipe("cifar10 \"a\", \"b\";test cifar10 \"c\"") == ["cifar f/a f/b", "test_data f/c", "layout channels_first"])
    #expect(try recipe("npz \"a.npz\"") == ["npz f/a.npz", "layout channels_first"])
    #expect(try recipe("npz \"a.npz\", images \"p q\", labels \"l\"") == ["npz f/a.npz x=p q y=l", "layout channels_first"])
    #expect(try recipe("npy \"a.npy\", labels \"b.npy\"") == ["npy f/a.npy f/b.npy", "scale auto", "layout channels_first"])
    #expect(try recipe("images \"photos\";test images \"more\"") == ["images f/photos", "test_data f/more", "layout channels_first"])
  }

  @Test func theLayoutOfTheModelIsThatOfTheData() throws {
    #expect(try recipe("images \"p\"", layout: "  layout channels_last\n") == ["images f/p", "layout channels_last"])
    let file = try ModelFile(
      text: "model m {\n  layout channels_last\n  input x: f32[N, 4, 4, 3]\n  output y = x |> flatten\n}\n", file: "m")
    #expect(try built(file).imageLayout == .channelsLast)
    #expect(try built(ModelFile(text: model("y = x"), file: "m")).imageLayout == .channelsFirst)
  }

  @Test func whatBecomesOfImages() throws {
    let lines = try recipe(
      """
      images "p";classes "dog", "cat";image_size 28, 24;color gray;resize;scale;standardize channels;\
      augment flip, shift 2, rotate 7.5, crop: 4, fill: reflect;split validation 0.1, test 0.1, stratified, seed 3
      """)
    #expect(
      lines == [
        "images f/p", "class_names dog cat", "image_size 28 24", "color gray", "resize", "scale unit", "standardize_channels",
        "augment flip shift=2 rotation=7.5 crop=4 fill=reflect", "split train 0.8 validation 0.1 test 0.1 stratified seed 3",
        "layout channels_first",
      ])
    let given = try recipe("images \"p\";scale none;standardize channels, mean: [0.5, 1, 2], deviation: [1, 2, 0.25]")
    #expect(given.contains("scale none") && given.contains("standardize_channels 0.5 1 2 1 2 0.25"))
    #expect(try recipe("images \"p\";augment flip: horizontal").contains("augment flip"))
  }

  /// What the language writes, the runtime reads.
  @Test func theRuntimeReadsEveryLine() throws {
    let sources = [
      "idx \"a\", labels \"b\";test idx \"c\", labels \"d\"", "cifar10 \"a\", \"b\";test cifar10 \"c\"",
      "npz \"a.npz\", images \"p\", labels \"l\"", "npy \"a.npy\", labels \"b.npy\"", "images \"photos\";classes \"b\", \"a\"",
    ]
    for source in sources {
      let more = ";image_size 4, 4;color rgb;resize;scale;standardize channels;augment flip, shift 2, rotate 10, crop 4, fill: edge"
      let text = try recipe(source + more).joined(separator: "\n").replacing(" ", with: "\t")
      var parsed = gradc_recipe()
      var error = gradc_error()
      #expect(gradc_recipe_parse(text, &parsed, &error) == 0, "\(text): \(String(cString: gradc_error_message(&error)))")
      gradc_recipe_free(&parsed)
    }
  }

  /// The examples of images, and their parameters that learn.
  @Test(arguments: [
    ("digits/digits_cnn", 21_546), ("mnist/mnist", 535_818), ("mnist/lenet5", 61_706), ("cifar10/cifar10", 42_442),
    ("resnet/resnet18", 11_173_962), ("photos/photos", 61_706),
  ]) func theExamplesAreUnderstood(_ path: String, _ count: Int) throws {
    let file = try ModelFile.read(path: "\(examples)/\(path).gradc").result.get()
    #expect(try built(file).parameters.filter { !$0.isState }.reduce(0) { $0 + $1.count } == count)
    #expect(file.hasData && file.hasTraining)
  }

  @Test(arguments: Self.cases) func theErrorIsRenderedAsExpected(_ example: ErrorCase) {
    #expect(rendered(example.text) == example.expected)
  }

  private static func data(_ lines: String) -> String { model("y = x", after: "data {\n\(lines)\n}\n") }

  static let cases = [
    ErrorCase(
      "layout", "model m {\n  layout chanels_last\n  input x: f32[N, 4]\n  output y = x\n}\n",
      #"""
      m.gradc:2:10: error: the layout is channels_first or channels_last; found `chanels_last`
          layout chanels_last
                 ^~~~~~~~~~~~
                 channels_last
      """#),
    ErrorCase(
      "layout twice", "model m {\n  layout channels_last\n  input x: f32[N, 4]\n  layout channels_first\n  output y = x\n}\n",
      #"""
      m.gradc:4:3: error: 'layout' stands twice
          layout channels_first
          ^~~~~~
      m.gradc:2:3: note: the first one is here
          layout channels_last
          ^~~~~~
      """#),
    ErrorCase(
      "labels missing", data("  idx \"a\""),
      #"""
      m.gradc:7:3: error: 'idx' needs a file of images and one of labels: `idx "train-images-idx3-ubyte.gz", labels "train-labels-idx1-ubyte.gz"`
          idx "a"
          ^~~
      """#),
    ErrorCase(
      "two sources", data("  idx \"a\", labels \"b\"\n  images \"c\""),
      #"""
      m.gradc:8:3: error: the data have one source: `csv`, `npy`, `text`, `idx`, `cifar10`, `npz` or `images`
          images "c"
          ^~~~~~
      """#),
    ErrorCase(
      "columns of images", data("  images \"a\"\n  target \"t\"\n  standardize \"x\"\n  standardize channels"),
      #"""
      m.gradc:8:3: error: 'target' is for tables; 'images' reads images and their labels
          target "t"
          ^~~~~~
      m.gradc:9:3: error: 'standardize' is for tables; 'images' reads images and their labels
          standardize "x"
          ^~~~~~~~~~~
      """#),
    ErrorCase(
      "images of a table", data("  csv \"a\"\n  augment flip"),
      #"""
      m.gradc:8:3: error: 'augment' is for images, and the data are a table
          augment flip
          ^~~~~~~
      """#),
    ErrorCase(
      "another kind of test", data("  images \"a\"\n  test idx \"b\", labels \"c\""),
      #"""
      m.gradc:8:8: error: the test set is of the same kind as the training set, images; found idx
          test idx "b", labels "c"
               ^~~
      m.gradc:7:3: note: here
          images "a"
          ^~~~~~
      """#),
    ErrorCase(
      "test twice", data("  images \"a\"\n  test images \"b\"\n  split test 0.2"),
      #"""
      m.gradc:9:3: error: the test set has files of its own; 'split' divides the others into train and validation
          split test 0.2
          ^~~~~
      m.gradc:8:8: note: here
          test images "b"
               ^~~~~~
      """#),
    ErrorCase(
      "augmentation", data("  images \"a\"\n  augment flip: vertical"),
      #"""
      m.gradc:8:17: error: the direction is horizontal; found `vertical`
          augment flip: vertical
                        ^~~~~~~~
      """#),
    ErrorCase(
      "hostile shift", data("  images \"a\"\n  augment shift 100000"),
      #"""
      m.gradc:8:17: error: a number of pixels is at most 1024; found 100000
          augment shift 100000
                        ^~~~~~
      """#),
    ErrorCase(
      "angle", data("  images \"a\"\n  augment rotate 720"),
      #"""
      m.gradc:8:18: error: the largest angle in degrees is a number from 0 to 180; found the number 720
          augment rotate 720
                         ^~~
      """#),
    ErrorCase(
      "class twice", data("  images \"a\"\n  classes \"cat\", \"cat\""),
      #"""
      m.gradc:8:18: error: class "cat" is named twice
          classes "cat", "cat"
                         ^~~~~
      """#),
    ErrorCase(
      "means without deviations", data("  images \"a\"\n  standardize channels, mean: [0.5]"),
      #"""
      m.gradc:8:3: error: 'standardize channels' needs as many means as deviations, one a channel, or neither
          standardize channels, mean: [0.5]
          ^~~~~~~~~~~
      """#),
    ErrorCase(
      "size", data("  images \"a\"\n  image_size 0, 3"),
      #"""
      m.gradc:8:14: error: a height or width is a whole number from 1 on; found the number 0
          image_size 0, 3
                     ^
      """#),
  ]
}
