import CRuntime
import XCTest

final class RecipeTests: XCTestCase {
  private let heart =
    line("csv heart.csv") + line("target target") + line("standardize age chol") + line("one_hot sex cp")
    + line("split train 0.7 validation 0.15 test 0.15 stratified seed 42") + line("epochs 300")
    + line("optimizer adam beta1=0.9 beta2=0.999") + line("metrics accuracy auc")
    + line("early_stopping monitor=val_auc mode=max patience=7")

  private func printed(_ recipe: inout gradc_recipe) throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    try check { gradc_recipe_print(&recipe, &text, $0) }
    defer { gradc_text_free(text) }
    return String(cString: text!)
  }

  func testDefaults() throws {
    try withRecipe("") { recipe in
      XCTAssertEqual(recipe.batch, 32)
      XCTAssertEqual(recipe.epochs, 10)
      XCTAssertEqual(recipe.threshold, 0.5)
      XCTAssertEqual(recipe.train_share, 1)
      XCTAssertEqual(recipe.patience, 20)
      XCTAssertTrue(recipe.shuffle)
      XCTAssertTrue(recipe.header)
      XCTAssertFalse(recipe.early_stopping)
      XCTAssertEqual(try printed(&recipe), "")
    }
  }

  func testReadsEveryField() throws {
    try withRecipe(heart) { recipe in
      XCTAssertEqual(recipe.source, GRADC_SOURCE_CSV)
      XCTAssertEqual(String(cString: recipe.path), "heart.csv")
      XCTAssertEqual(strings(recipe.target), ["target"])
      XCTAssertEqual(recipe.feature_count, 4)
      XCTAssertEqual(String(cString: recipe.features[2].column), "sex")
      XCTAssertEqual(recipe.features[2].kind, GRADC_FEATURE_ONE_HOT)
      XCTAssertEqual([recipe.train_share, recipe.validation_share, recipe.test_share], [0.7, 0.15, 0.15])
      XCTAssertTrue(recipe.stratified)
      XCTAssertEqual(recipe.split_seed, 42)
      XCTAssertEqual(String(cString: recipe.optimizer.name), "adam")
      XCTAssertEqual(gradc_choice_number(&recipe.optimizer, "beta2", 0), 0.999)
      XCTAssertEqual(gradc_choice_number(&recipe.optimizer, "epsilon", 1e-7), 1e-7)
      XCTAssertEqual(strings(recipe.metrics), ["accuracy", "auc"])
      XCTAssertEqual(String(cString: recipe.monitor), "val_auc")
      XCTAssertEqual(recipe.monitor_mode, GRADC_MODE_MAX)
      XCTAssertEqual(recipe.patience, 7)
    }
  }

  func testPrintsWhatItRead() throws {
    let whole =
      heart + line("separator ;") + line("header no") + line("id key") + line("ignore a b") + line("input left age sex")
      + line("input right chol cp") + line("missing median age") + line("missing constant 3.5 chol") + line("missing drop")
      + line("missing_marker ? NA") + line("target_encoding classes") + line("standardize_target") + line("batch all")
      + line("rate 0.003") + line("loss huber delta=0.5") + line("threshold 0.25") + line("schedule step every=10 factor=0.5")
      + line("warmup 100") + line("class_weight 0=1 1=2.5") + line("sample_weight w") + line("clip_norm 1") + line("clip_value 0.5")
      + line("shuffle no") + line("seed 18446744073709551615") + line("checkpoint c.safetensors every=5") + line("log log.csv")
    try withRecipe(whole) { recipe in
      let text = try printed(&recipe)
      for expected in whole.split(separator: "\n") {
        XCTAssertTrue(text.split(separator: "\n").contains(expected), "\(expected) is not in\n\(text)")
      }
      try withRecipe(text) { again in XCTAssertEqual(try printed(&again), text) }
    }
  }

  func testEscapes() throws {
    try withRecipe("csv\ta\\tb\\\\c\\n.csv\r\n# a comment\n\n") { recipe in
      XCTAssertEqual(String(cString: recipe.path), "a\tb\\c\n.csv")
      XCTAssertEqual(try printed(&recipe), "csv\ta\\tb\\\\c\\n.csv\n")
    }
    var recipe = gradc_recipe()
    assertContains(failure { gradc_recipe_parse("csv\ta\\x", &recipe, $0) }, "line 1", "escape")
  }

  func testErrorsNameLineAndRemedy() {
    let cases: [(String, [String])] = [
      (line("epochs 3") + line("standardise age"), ["line 2", "standardise", "did you mean \"standardize\""]),
      (line("epochs -1"), ["epochs", "-1", "a number of epochs"]),
      (line("epochs 2.5"), ["2.5"]),
      (line("epochs 1") + line("epochs 2"), ["line 2", "twice"]),
      (line("batch none"), ["none", "all"]),
      (line("rate 0"), ["rate", "above 0"]),
      (line("split train 0.5 test 0.2"), ["add up to 0.7"]),
      (line("split train"), ["split", "share"]),
      (line("one_hot unknown=ones a"), ["unknown=zeros"]),
      (line("one_hot drop_first"), ["at least one column"]),
      (line("standardize a") + line("one_hot a"), ["line 2", "\"a\"", "one directive"]),
      (line("target y") + line("numeric y"), ["\"y\"", "both an input and the target"]),
      (line("target y y"), ["\"y\"", "twice"]),
      (line("metrics acuracy"), ["acuracy", "did you mean \"accuracy\""]),
      (line("missing guess a"), ["guess", "median"]),
      (line("missing mean a") + line("missing drop a"), ["\"a\"", "one rule"]),
      (line("schedule stairs"), ["stairs", "cosine"]),
      (line("class_weight 1=-2"), ["-2", "weight"]),
      (line("log run.txt"), [".jsonl"]),
      (line("seed 18446744073709551616"), ["2^64"]),
      (line("header maybe"), ["yes or no"]),
      (line("optimizer adam beta1"), ["beta1", "key=value"]),
    ]
    for (text, parts) in cases {
      var recipe = gradc_recipe()
      let message = failure { gradc_recipe_parse(text, &recipe, $0) }
      for part in parts { assertContains(message, part) }
    }
  }

  func testFlagsOverrideFields() throws {
    try withRecipe(heart) { recipe in
      let flags = [
        ("epochs", "5"), ("batch-size", "all"), ("lr", "0.01"), ("optimizer", "sgd momentum=0.9"), ("metrics", "f1,recall"),
        ("validation_split", "0.25"), ("patience", "3"), ("shuffle", "no"), ("checkpoint_every", "4"), ("checkpoint", "a b.safetensors"),
        ("early-stopping", "no"),
      ]
      for (name, value) in flags { try check { gradc_recipe_set(&recipe, name, value, $0) } }
      XCTAssertEqual(recipe.epochs, 5)
      XCTAssertEqual(recipe.batch, 0)
      XCTAssertEqual(recipe.rate, 0.01)
      XCTAssertEqual(String(cString: recipe.optimizer.name), "sgd")
      XCTAssertEqual(gradc_choice_number(&recipe.optimizer, "momentum", 0), 0.9)
      XCTAssertEqual(strings(recipe.metrics), ["f1", "recall"])
      XCTAssertEqual(recipe.validation_share, 0.25)
      XCTAssertEqual(recipe.train_share, 0.6, accuracy: 1e-15)
      XCTAssertFalse(recipe.shuffle)
      XCTAssertFalse(recipe.early_stopping)
      XCTAssertEqual(recipe.checkpoint_every, 4)
      XCTAssertEqual(String(cString: recipe.checkpoint), "a b.safetensors")
      XCTAssertEqual(recipe.feature_count, 4)
    }
  }

  func testWrongFlagChangesNothing() throws {
    try withRecipe(heart) { recipe in
      let before = try printed(&recipe)
      assertContains(failure(GRADC_EXIT_USAGE) { gradc_recipe_set(&recipe, "epochs", "many", $0) }, "epochs", "many")
      assertContains(failure(GRADC_EXIT_USAGE) { gradc_recipe_set(&recipe, "epoch", "3", $0) }, "did you mean \"epochs\"")
      assertContains(failure(GRADC_EXIT_USAGE) { gradc_recipe_set(&recipe, "csv", "x.csv", $0) }, "csv")
      assertContains(failure(GRADC_EXIT_USAGE) { gradc_recipe_set(&recipe, "epochs", "", $0) }, "found 0 values")
      XCTAssertEqual(try printed(&recipe), before)
    }
  }

  func testEveryFieldCanBeSet() throws {
    let values = [
      "epochs": "1", "batch_size": "8", "accumulate": "2", "lr": "0.1", "optimizer": "sgd", "loss": "mse", "metrics": "mae",
      "threshold": "0.1", "seed": "7", "steps": "4", "evaluate": "5",
      "validation_split": "0.1", "early_stopping": "yes", "patience": "2", "monitor": "val_loss", "min_delta": "0.1",
      "schedule": "cosine", "warmup": "3", "class_weight": "balanced", "clip_norm": "1", "clip_value": "1", "shuffle": "no",
      "checkpoint": "c", "checkpoint_every": "2", "log": "l.jsonl",
      "augment": "flip,shift=2", "skip_bad": "yes",
    ]
    try withRecipe("idx\timages\n") { recipe in
      var names: [String] = []
      while let field = gradc_recipe_field_at(names.count) { names.append(String(cString: field.pointee.name)) }
      XCTAssertEqual(names.sorted(), values.keys.sorted())
      for name in names { try check { gradc_recipe_set(&recipe, name, values[name], $0) } }
    }
  }

  func testNumbers() {
    func parse(_ text: String) -> Double? {
      var value = 0.0
      return gradc_parse_number(text, text.utf8.count, &value) ? value : nil
    }
    for text in [
      "0.1", "1e-3", "123456789012345678", "2.2250738585072014e-308", "1.7976931348623157e308", "-.5", "5.", "+3", "9007199254740993",
    ] {
      XCTAssertEqual(parse(text), Double(text.hasPrefix("+") ? String(text.dropFirst()) : text == "5." ? "5" : text), text)
    }
    XCTAssertEqual(parse(" 7\t"), 7)
    XCTAssertEqual(parse("-0")?.sign, .minus)
    for text in ["", " ", "1,5", "nan", "inf", "0x10", "1e", "1e+", "--1", "1.2.3", ".", "1 2", "1e999"] { XCTAssertNil(parse(text), text) }
    for value in [0.1, 1.0 / 3, .leastNonzeroMagnitude, 1e22, -123456.789, 3] {
      var buffer = [CChar](repeating: 0, count: 32)
      gradc_format_number(value, &buffer, buffer.count)
      XCTAssertEqual(parse(String(cString: buffer)), value)
    }
  }
}
