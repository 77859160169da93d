import Basics
import CResources
import CRuntime
import Foundation
import Gradc
import Layers
import Operators
import Optimizers
import Training
import XCTest

@testable import GradcCommand

/// The verbs end to end, through the command's entry point, in a folder of their own.
final class VerbTests: XCTestCase {
  private var folder = ""

  /// Two separable clouds of points, with a text column and ids; classes by name.
  private static let table: String = {
    var text = "id,x,y,colour,class\n"
    for row in 0..<120 {
      let isInside = row % 2 == 0
      // Numbers without pattern, the same everywhere.
      let (u, v) = (Double((row * 7919) % 101) / 101, Double((row * 104729) % 97) / 97)
      let x = isInside ? u : u + 0.8
      text += "r\(row),\(x),\(isInside ? v : v + 0.7),\(row % 3 == 0 ? "red" : "blue"),\(isInside ? "in" : "out")\n"
    }
    return text
  }()

  private static let model = """
    model points {
      input features: f32[N, 4]
      inside = features |> dense(8) |> relu |> dense(1) |> sigmoid
      output inside
    }
    data {
      csv "points.csv"
      id "id"
      target "class"
      standardize "x", "y"
      one_hot "colour"
      split train 0.6, validation 0.2, test 0.2, stratified, seed 3
    }
    train {
      loss binary_cross_entropy(inside, target)
      optimizer adam(rate: 0.01)
      batch 16
      epochs 30
      metrics accuracy, auc
    }
    """

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try write("points.csv", Self.table)
    try write("points.gradc", Self.model)
    setenv("XDG_CACHE_HOME", folder + "/cache", 1)
  }

  override func tearDown() {
    unsetenv("XDG_CACHE_HOME")
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)" }
  private func write(_ name: String, _ text: String) throws { try text.write(toFile: path(name), atomically: true, encoding: .utf8) }
  private func read(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
  private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  private struct Outcome {
    var code: Int32
    var out: String
    var err: String
  }

  /// Runs `gradc` with these words.
  @discardableResult
  private func gradc(_ words: String...) -> Outcome {
    var (out, err) = ("", "")
    let code = runCommand(words, Console(write: { out += $0 }, writeError: { err += $0 }))
    return Outcome(code: code, out: out, err: err)
  }

  /// Trains for good and expects no error.
  private func train(_ words: String..., name: String = "points") -> Outcome {
    var (out, err) = ("", "")
    let console = Console(write: { out += $0 }, writeError: { err += $0 })
    let all = ["train", path("\(name).gradc"), "--save", path("\(name).safetensors"), "--jit", "tcc"] + words
    let code = runCommand(all, console)
    XCTAssertEqual(code, 0, err)
    return Outcome(code: code, out: out, err: err)
  }

  // MARK: The command as such

  func testHelpAndVersion() {
    XCTAssertEqual(gradc().code, 2)
    XCTAssertEqual(gradc("--version").out, "gradc \(version)\n")
    let overview = gradc("--help")
    XCTAssertEqual(overview.code, 0)
    for verb in allVerbs {
      XCTAssertTrue(overview.out.contains("  \(verb.name) "), verb.name)
      let help = gradc(verb.name, "--help")
      XCTAssertEqual(help.code, 0)
      XCTAssertEqual(help.out, gradc("help", verb.name).out)
      XCTAssertTrue(help.out.contains("Examples\n  gradc \(verb.name)"), verb.name)
      for flag in verb.flags { XCTAssertTrue(help.out.contains("--\(flag.name)"), "\(verb.name) --\(flag.name)") }
    }
  }

  func testUnknownVerbsAndFlags() {
    XCTAssertEqual(gradc("trian", "x").err, "error: unknown verb 'trian'; did you mean 'train'?\n")
    XCTAssertEqual(gradc("trian", "x").code, 2)
    XCTAssertEqual(
      gradc("train", path("points.gradc"), "--epoch", "3").err, "error: unknown flag --epoch for gradc train; did you mean --epochs?\n")
    XCTAssertEqual(gradc("heart.gradc").err, "error: a verb is missing before heart.gradc: gradc train heart.gradc\n")
    XCTAssertEqual(gradc("train", path("points.gradc"), "--epochs", "many").code, 2)
    XCTAssertEqual(gradc("train", path("points.gradc"), "--optimizer", "adamm").code, 2)
    XCTAssertEqual(gradc("train", path("points.gradc"), "--jit", "gcj").code, 2)
  }

  func testErrorsOfTheModelShowTheirLine() throws {
    try write("bad.gradc", "model bad {\n  input x: f32[N, 4]\n  y = x |> dens(3)\n  output y\n}\n")
    let outcome = gradc("check", path("bad.gradc"))
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("bad.gradc:3:12: error: "), outcome.err)
    XCTAssertTrue(outcome.err.contains("  y = x |> dens(3)\n             ^~~~"), outcome.err)
    XCTAssertTrue(outcome.err.contains("dense"), outcome.err)
    XCTAssertEqual(gradc("check", path("none.gradc")).code, 1)
  }

  // MARK: Train and what comes after

  func testTrainWritesWhatItSays() throws {
    let outcome = train()
    XCTAssertTrue(
      outcome.out.hasPrefix("points: 49 parameters; 72 rows to train on, 24 for validation, 24 for the test\nepoch 1/30  loss "))
    XCTAssertEqual(outcome.out.components(separatedBy: "\nepoch ").count, 31)
    XCTAssertTrue(outcome.out.contains("actual \\ predicted"), outcome.out)
    XCTAssertTrue(outcome.out.hasSuffix("wrote \(path("points.safetensors")), \(path("points.html")), \(path("points.checkpoint"))\n"))
    for name in ["points.safetensors", "points.html", "points.checkpoint"] { XCTAssertTrue(exists(name), name) }
    XCTAssertTrue(try read("points.html").contains("<title>points: training report</title>"))
  }

  func testTheDataDecideSeparablePoints() throws {
    _ = train("--epochs", "150")
    let outcome = gradc("eval", path("points.gradc"), "--weights", path("points.safetensors"), "--jit", "tcc")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.hasPrefix("test (24 rows)  loss "), outcome.out)
    let words = outcome.out.split { $0 == " " || $0 == "\n" }.map(String.init)
    let accuracy = try XCTUnwrap(Double(words[words.firstIndex(of: "accuracy")! + 1]))
    XCTAssertGreaterThan(accuracy, 0.75)
  }

  func testResumingGivesTheSameBytes() throws {
    _ = train("--epochs", "12", "--report", "none")
    let straight = FileManager.default.contents(atPath: path("points.safetensors"))
    try FileManager.default.removeItem(atPath: path("points.checkpoint"))
    _ = train("--epochs", "5", "--report", "none")
    _ = train("--epochs", "12", "--report", "none", "--resume", path("points.checkpoint"))
    XCTAssertEqual(FileManager.default.contents(atPath: path("points.safetensors")), straight)
    XCTAssertFalse(exists("points.html"))
  }

  func testFlagsOverrideTheRecipe() throws {
    let outcome = train("--epochs", "2", "--lr", "0.5", "--metrics", "f1", "--optimizer", "sgd", "--batch-size", "all", "--report", "none")
    XCTAssertTrue(outcome.out.contains("epoch 2/2"), outcome.out)
    XCTAssertTrue(outcome.out.contains("lr 0.5\n"), outcome.out)
    XCTAssertTrue(outcome.out.contains("val_f1"), outcome.out)
    XCTAssertFalse(outcome.out.contains("accuracy"), outcome.out)
  }

  func testFrozenLayersStay() throws {
    _ = train("--epochs", "0", "--report", "none")
    let before = try Tensor.read([path("points.safetensors")])
    _ = train("--epochs", "3", "--report", "none", "--freeze", "dense1")
    let after = try Tensor.read([path("points.safetensors")])
    XCTAssertEqual(before.count, 4)
    for old in before {
      let new = try XCTUnwrap(after.first { $0.name == old.name })
      XCTAssertEqual(old.bytes == new.bytes, old.name.hasPrefix("dense1"), old.name)
    }
    XCTAssertTrue(gradc("train", path("points.gradc"), "--freeze", "dens1").err.contains("did you mean 'dense1'?"))
  }

  func testGradientHealthCountsDeadUnits() throws {
    // Every unit of the second relu begins below zero and stays there.
    let dead = Self.model.replacingOccurrences(
      of: "|> relu |> dense(1)", with: "|> relu |> dense(8, initializer: constant(-9)) |> relu |> dense(1)")
    try write("points.gradc", dead)
    let outcome = train("--epochs", "2", "--gradient-health", "--report", "none")
    XCTAssertTrue(outcome.out.contains("relu2 100 %"), outcome.out)
  }

  func testPredictions() throws {
    _ = train("--epochs", "60")
    try write("new.csv", "id,colour,x,y\na,red,0.2,0.3\n\"b,1\",blue,1.6,1.5\n")
    let words = ["predict", path("points.gradc"), "--weights", path("points.safetensors"), "--data", path("new.csv"), "--jit", "tcc"]
    var (out, err) = ("", "")
    XCTAssertEqual(runCommand(words, Console(write: { out += $0 }, writeError: { err += $0 })), 0, err)
    let lines = out.split(separator: "\n").map(String.init)
    XCTAssertEqual(lines.count, 3)
    XCTAssertEqual(lines[0], "id,class,probability")
    XCTAssertTrue(lines[1].hasPrefix("a,in,"), lines[1])
    XCTAssertLessThan(try XCTUnwrap(lines[1].split(separator: ",").last.flatMap { Double($0) }), 0.5)
    XCTAssertTrue(lines[2].hasPrefix("\"b,1\",out,0."), lines[2])
    let file = gradc(words[0], words[1], words[2], words[3], words[4], words[5], "-o", path("p.csv"))
    XCTAssertEqual(file.code, 0, file.err)
    XCTAssertEqual(try read("p.csv"), out)
    try write("new.csv", "id,colour,x,y\na,green,0.2,0.3\n")
    let unknown = gradc(words[0], words[1], words[2], words[3], words[4], words[5])
    XCTAssertEqual(unknown.code, 1)
    XCTAssertTrue(unknown.err.contains("green") && unknown.err.contains("colour"), unknown.err)
  }

  // MARK: Tensors

  /// The network in double precision, by hand.
  private func forward(_ rows: [[Double]], _ tensors: [Tensor]) -> [Double] {
    func numbers(_ name: String) -> [Double] { tensors.first { $0.name == name }!.converted(to: .f64).numbers }
    let (w1, b1, w2, b2) = (numbers("dense1.weight"), numbers("dense1.bias"), numbers("dense2.weight"), numbers("dense2.bias"))
    return rows.map { row in
      var score = b2[0]
      for unit in 0..<8 {
        var sum = b1[unit]
        for column in 0..<4 { sum += row[column] * w1[column * 8 + unit] }
        score += max(0, sum) * w2[unit]
      }
      return 1 / (1 + exp(-score))
    }
  }

  func testRunAndGrad() throws {
    _ = train("--epochs", "3", "--report", "none")
    let rows: [[Double]] = (0..<20).map { row in
      (0..<4).map { column -> Double in Double((row * 5 + column * 3) % 7) / 7 - 0.4 }
    }
    _ = try Tensor.write([Tensor("features", dims: [20, 4], AlignedBuffer(.f32, rows.flatMap { $0 }))], to: path("in"))
    let weights = ["--weights", path("points.safetensors")]
    let run = gradc("run", path("points.gradc"), weights[0], weights[1], "--inputs", path("in"), "--outputs", path("out"), "--jit", "tcc")
    XCTAssertEqual(run.code, 0, run.err)
    let tensors = try Tensor.read([path("points.safetensors")])
    let found = try Tensor.read([path("out/inside.npy")])[0]
    XCTAssertEqual(found.dims, [20, 1])
    for (a, b) in zip(found.converted(to: .f64).numbers, forward(rows, tensors)) { XCTAssertEqual(a, b, accuracy: 1e-6) }

    // The gradient of the sum of the outputs, against central differences of the same sum.
    let grad = gradc("grad", path("points.gradc"), weights[0], weights[1], "--inputs", path("in"), "--outputs", path("grad.safetensors"))
    XCTAssertEqual(grad.code, 0, grad.err)
    let gradients = try Tensor.read([path("grad.safetensors")])
    let inputGradient = gradients.first { $0.name == "grad_features" }!.converted(to: .f64).numbers
    for (row, column) in [(0, 0), (7, 3), (19, 1)] {
      var moved = rows
      moved[row][column] += 1e-4
      let above = forward(moved, tensors).reduce(0, +)
      moved[row][column] -= 2e-4
      XCTAssertEqual(inputGradient[row * 4 + column], (above - forward(moved, tensors).reduce(0, +)) / 2e-4, accuracy: 1e-4)
    }
    XCTAssertEqual(
      Set(gradients.map(\.name)), ["grad_features", "grad_dense1.weight", "grad_dense1.bias", "grad_dense2.weight", "grad_dense2.bias"])
    // A cotangent of zeros gives zeros.
    _ = try Tensor.write(
      [
        Tensor("features", dims: [20, 4], AlignedBuffer(.f32, rows.flatMap { $0 })),
        Tensor("cotangent_inside", dims: [20, 1], AlignedBuffer(.f32, count: 20)),
      ], to: path("zero"))
    XCTAssertEqual(
      gradc("grad", path("points.gradc"), weights[0], weights[1], "--inputs", path("zero"), "--outputs", path("z.safetensors")).code, 0)
    for tensor in try Tensor.read([path("z.safetensors")]) {
      XCTAssertTrue(tensor.converted(to: .f64).numbers.allSatisfy { $0 == 0 }, tensor.name)
    }
  }

  func testArraysThatDoNotFit() throws {
    _ = train("--epochs", "0", "--report", "none")
    let weights = path("points.safetensors")
    _ = try Tensor.write([Tensor("features", dims: [2, 3], AlignedBuffer(.f32, count: 6))], to: path("in"))
    let shape = gradc("run", path("points.gradc"), "--weights", weights, "--inputs", path("in"), "--outputs", path("out"))
    XCTAssertEqual(shape.code, 1)
    XCTAssertEqual(shape.err, "error: the array 'features' is F32[2, 3], the model's 'features' needs [rows, 4]\n")
    XCTAssertFalse(exists("out"))
    XCTAssertEqual(gradc("run", path("points.gradc"), "--weights", weights, "--inputs", path("nothing"), "--outputs", path("out")).code, 1)
    XCTAssertEqual(gradc("run", path("points.gradc"), "--weights", weights, "--outputs", path("out")).code, 2)
  }

  func testArraysSurviveFiles() throws {
    let tensors = [
      Tensor("a", dims: [2, 3], AlignedBuffer(.f64, [1, -2, 3.5, 1e-300, 5, 6])), Tensor("b.c", dims: [2], AlignedBuffer(.i32, [7, -8])),
    ]
    for target in ["folder", "one.safetensors"] {
      _ = try Tensor.write(tensors, to: path(target))
      let back = try Tensor.read([path(target)])
      XCTAssertEqual(back.map(\.name), ["a", "b.c"])
      XCTAssertEqual(back.map(\.dims), tensors.map(\.dims))
      XCTAssertEqual(back.map(\.bytes), tensors.map(\.bytes))
    }
  }

  // MARK: Checks

  func testGradientsAreRight() {
    let outcome = gradc("gradcheck", path("points.gradc"))
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.contains("dense1.weight       32  "), outcome.out)
    XCTAssertTrue(outcome.out.hasSuffix("all within 1e-05\n"), outcome.out)
    // Nothing agrees to twenty digits.
    let strict = gradc("gradcheck", path("points.gradc"), "--tolerance", "1e-20")
    XCTAssertEqual(strict.code, 4)
    XCTAssertTrue(strict.err.hasPrefix("error: gradients of dense1.weight"), strict.err)
  }

  func testGolden() throws {
    XCTAssertEqual(gradc("golden", "record", path("points.gradc"), path("gold")).code, 0)
    let same = gradc("golden", "verify", path("points.gradc"), path("gold"), "--exact")
    XCTAssertEqual(same.code, 0, same.err)
    XCTAssertEqual(same.out.components(separatedBy: "same bits").count, 8, same.out)
    // One weight moved by a little shows in the outputs.
    var tensors = try Tensor.read([path("gold/expected.safetensors")])
    let index = try XCTUnwrap(tensors.firstIndex { $0.name == "output.inside" })
    var numbers = tensors[index].converted(to: .f64).numbers
    numbers[0] += 0.01
    tensors[index] = Tensor("output.inside", dims: tensors[index].dims, AlignedBuffer(.f32, numbers))
    _ = try Tensor.write(tensors, to: path("gold/expected.safetensors"))
    let off = gradc("golden", "verify", path("points.gradc"), path("gold"))
    XCTAssertEqual(off.code, 4)
    XCTAssertTrue(off.err.contains("output.inside are off by more than 1e-05") || off.err.contains("output.inside"), off.err)
    XCTAssertEqual(gradc("golden", "compare", path("points.gradc"), path("gold")).code, 2)
  }

  func testCheckFindsDoubtfulChoices() throws {
    func checked(_ body: String, _ loss: String) throws -> String {
      try write("doubt.gradc", "model doubt {\n  input x: f32[N, 4]\n  y = \(body)\n  output y\n}\ntrain { \(loss) }\n")
      let outcome = gradc("check", path("doubt.gradc"))
      XCTAssertEqual(outcome.code, 0, outcome.err)
      return outcome.out
    }
    XCTAssertTrue(
      try checked("x |> dense(3) |> dense(1) |> sigmoid", "loss binary_cross_entropy(y, target)").contains("nothing between them"))
    XCTAssertTrue(try checked("x |> dense(1) |> sigmoid", "loss mean_squared(y, target)").contains("mean_squared on the sigmoid output"))
    XCTAssertTrue(try checked("x |> dense(3) |> softmax", "loss mean_squared(y, target)").contains("mean_squared on the softmax output"))
    XCTAssertTrue(try checked("x |> dense(1) |> softmax", "loss mean_squared(y, target)").contains("softmax 'softmax1' over one unit"))
    XCTAssertTrue(
      try checked("x |> dense(3) |> relu |> dense(1) |> sigmoid", "loss binary_cross_entropy(y, target)").hasSuffix(
        "nothing to complain about\n"))
  }

  func testParametersWithoutAGradient() throws {
    let definition = ModelDefinition(name: "steps") { builder in
      let x = try builder.input("x", dims: [4])
      let steps = try builder.graph.floor(builder.dense(x, units: 3))
      try builder.output("y", builder.dense(steps, units: 1))
    }
    let training = TrainingSpecification(losses: [LossChoice("mean_squared")], optimizer: try OptimizerChoice("sgd"))
    XCTAssertEqual(
      try missingGradients(definition, training: training).map(\.message),
      [
        "parameter 'dense1.weight' is never learned: floor has no gradient",
        "parameter 'dense1.bias' is never learned: floor has no gradient",
      ])
  }

  // MARK: Looking inside

  func testSummary() {
    let outcome = gradc("summary", path("points.gradc"), "--arena")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.contains("dense1 (dense)      f32[N, 8]             40           72           32\n"), outcome.out)
    XCTAssertTrue(outcome.out.contains("Total params:         49 (196 bytes)\nTrainable params:     49 (196 bytes)\n"), outcome.out)
    XCTAssertTrue(outcome.out.contains("total  "), outcome.out)
    XCTAssertTrue(gradc("summary", path("points.gradc"), "--freeze", "dense1").out.contains("Non-trainable params: 40 (160 bytes)"))
  }

  func testOperationsAreCounted() throws {
    // 16 rows: 2 x 4 x 8 and 2 x 8 for the products, 8 + 1 biases, 8 relus, a sigmoid.
    let outcome = gradc("summary", path("points.gradc"))
    let line = try XCTUnwrap(outcome.out.split(separator: "\n").first { $0.contains("  inference  ") })
    let count = try XCTUnwrap(Int(line.filter(\.isNumber)))
    let least = 16 * (2 * 4 * 8 + 2 * 8)
    XCTAssertGreaterThanOrEqual(count, least)
    XCTAssertLessThanOrEqual(count, least + 16 * (8 + 1 + 8 + 8))
  }

  func testEveryStageCanBeSeen() {
    let marks = [
      "graph": "matmul(%0, %1)", "differentiated": "graph update {", "expanded": "graph backward {", "fused": "kernel contraction",
      "program": "kernel ", "c": "points_run(",
    ]
    for (stage, mark) in marks {
      let outcome = gradc("dump", path("points.gradc"), "--after", stage)
      XCTAssertEqual(outcome.code, 0, outcome.err)
      XCTAssertTrue(outcome.out.contains(mark), stage)
    }
    XCTAssertTrue(gradc("dump", path("points.gradc"), "--emit", "svg").out.hasPrefix("<svg xmlns="))
    XCTAssertTrue(gradc("dump", path("points.gradc"), "--emit", "dot").out.hasPrefix("digraph \"points\" {"))
    XCTAssertEqual(gradc("dump", path("points.gradc"), "--after", "fusd").code, 2)
    XCTAssertEqual(gradc("dump", path("points.gradc"), "--entry", "backwards").code, 2)
    XCTAssertEqual(gradc("dump", path("points.gradc"), "--after", "c", "--emit", "svg").code, 2)
  }

  func testOperators() {
    XCTAssertTrue(gradc("operators").out.contains("softmax "))
    XCTAssertTrue(gradc("operators", "softmax").out.contains("PyTorch"))
    XCTAssertTrue(gradc("operators").out.contains("\ndense "))
    XCTAssertTrue(gradc("operators", "linear").out.hasPrefix("layer dense (also linear)\n"))
    XCTAssertTrue(gradc("operators", "adam").out.contains("beta1: 0.9"))
    XCTAssertEqual(gradc("operators", "sofmax").err, "error: there is nothing called 'sofmax'; did you mean 'softmax'?\n")
  }

  func testProfile() {
    let outcome = gradc("profile", path("points.gradc"), "--jit", "tcc", "--entry", "run")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.contains("all at once") && outcome.out.contains("GFLOP/s"), outcome.out)
  }

  // MARK: Build

  func testTheRuntimeInsideIsTheRuntime() throws {
    let runtime = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Runtime").standardized.path
    let names = try FileManager.default.subpathsOfDirectory(atPath: runtime).filter { $0.hasSuffix(".c") || $0.hasSuffix(".h") }
    let resources = (0..<gradc_resource_count()).map { gradc_resource_at($0)!.pointee }
    XCTAssertEqual(resources.map { String(cString: $0.path) }.sorted(), names.sorted())
    for resource in resources {
      let bytes = Data(bytes: resource.bytes, count: resource.byte_count)
      XCTAssertEqual(
        bytes, FileManager.default.contents(atPath: "\(runtime)/\(String(cString: resource.path))"), String(cString: resource.path))
    }
  }

  func testBuildWritesAProject() throws {
    _ = train("--epochs", "1", "--report", "none")
    let outcome = gradc("build", path("points.gradc"), "-o", path("c"), "--weights", path("points.safetensors"), "--trainer", "--no-make")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    for name in [
      "points.c", "points.h", "points.safetensors", "Makefile", "CMakeLists.txt", "example.c", "trainer.c", "points_row.c",
      "runtime/train.c",
    ] {
      XCTAssertTrue(exists("c/\(name)"), name)
    }
    XCTAssertEqual(gradc("build", path("points.gradc")).code, 2)
    XCTAssertEqual(gradc("build", path("points.gradc"), "-o", path("d"), "--trainer", "--inference").code, 2)
    XCTAssertEqual(gradc("build", path("points.gradc"), "-o", path("points.csv/x")).code, 1)
  }

  // MARK: Bad input

  func testNothingIsLostWhenItCannotBeWritten() throws {
    let missing = gradc("train", path("points.gradc"), "--save", path("nowhere/w.safetensors"))
    XCTAssertEqual(missing.code, 1)
    XCTAssertEqual(missing.out, "", "no epoch may be trained before that is said")
    XCTAssertTrue(missing.err.contains("there is no folder"), missing.err)
    XCTAssertEqual(gradc("train", path("points.gradc"), "--save", folder).code, 1)
  }

  func testAFileThatCannotBeWrittenIsToldOnce() {
    let full = gradc(
      "train", path("points.gradc"), "--save", path("w.safetensors"), "--checkpoint", "/dev/full", "--jit", "tcc", "--report", "none",
      "--epochs", "2")
    XCTAssertEqual(full.code, 1)
    XCTAssertEqual(full.err.components(separatedBy: "No space left").count, 2, full.err)
    XCTAssertTrue(full.err.contains("error: the training came to its end, but not every file could be written, as is said above"), full.err)
    XCTAssertTrue(exists("w.safetensors"))
  }

  func testBadDataNamesRowAndColumn() throws {
    try write(
      "points.csv", Self.table.replacingOccurrences(of: "\nr5,", with: "\nr5,many"))
    let outcome = gradc("train", path("points.gradc"), "--save", path("w.safetensors"))
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("many") && outcome.err.contains("\"x\""), outcome.err)
    XCTAssertFalse(exists("w.safetensors"))
    try write("points.csv", "")
    XCTAssertEqual(gradc("train", path("points.gradc"), "--save", path("w.safetensors")).code, 1)
  }

  func testWrongWeightsAreRefused() throws {
    _ = train("--epochs", "0", "--report", "none")
    try write("points.gradc", Self.model.replacingOccurrences(of: "dense(8)", with: "dense(9)"))
    let outcome = gradc("eval", path("points.gradc"), "--weights", path("points.safetensors"))
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("dense1.weight"), outcome.err)
    try write("junk.safetensors", "junk")
    XCTAssertEqual(gradc("eval", path("points.gradc"), "--weights", path("junk.safetensors")).code, 1)
  }

  func testALossThatIsNotFiniteEndsWithFour() throws {
    let outcome = gradc(
      "train", path("points.gradc"), "--save", path("w.safetensors"), "--optimizer", "sgd", "--lr", "1e30", "--loss", "mean_squared",
      "--jit", "tcc")
    // A sigmoid saturates instead of overflowing, so the model without it is trained.
    try write(
      "points.gradc",
      Self.model.replacingOccurrences(of: " |> sigmoid", with: "").replacingOccurrences(of: "binary_cross_entropy", with: "mean_squared"))
    let diverging = gradc(
      "train", path("points.gradc"), "--save", path("w.safetensors"), "--optimizer", "sgd", "--lr", "1e30", "--jit", "tcc")
    XCTAssertEqual(diverging.code, 4, diverging.err + outcome.err)
    XCTAssertTrue(diverging.err.contains("step"), diverging.err)
  }
}
