import CRuntime
import Foundation
import XCTest

final class DatasetTests: XCTestCase {
  /// Loads a CSV text by a recipe without its source line.
  private func load<T>(
    _ csv: String, _ recipe: String, _ ports: Ports? = nil, options: (inout gradc_load_options) -> Void = { _ in },
    _ body: (inout gradc_dataset, inout gradc_encoder) throws -> T
  ) throws -> T {
    try withFolder { folder in
      let path = folder + "/t.csv"
      try csv.write(toFile: path, atomically: true, encoding: .utf8)
      return try withRecipe("csv\t\(path)\n" + recipe) { recipe in
        var dataset = gradc_dataset()
        var encoder = gradc_encoder()
        var chosen = gradc_load_options()
        options(&chosen)
        try check { error in
          guard let ports else { return gradc_dataset_load(&recipe, nil, &chosen, &dataset, &encoder, error) }
          return gradc_dataset_load(&recipe, &ports.model, &chosen, &dataset, &encoder, error)
        }
        defer {
          gradc_dataset_free(&dataset)
          gradc_encoder_free(&encoder)
        }
        return try body(&dataset, &encoder)
      }
    }
  }

  private func loadFailure(_ csv: String, _ recipe: String, _ ports: Ports, file: StaticString = #filePath, line: UInt = #line) -> String {
    do {
      try load(csv, recipe, ports) { _, _ in }
      XCTFail("expected an error", file: file, line: line)
    } catch { return (error as? RuntimeError)?.message ?? "" }
    return ""
  }

  private func part(_ dataset: inout gradc_dataset, _ part: gradc_part_kind) -> [UInt32] {
    var count = 0
    let rows = gradc_dataset_part(&dataset, part, &count)
    return Array(UnsafeBufferPointer(start: rows, count: count))
  }

  private func weights(_ dataset: gradc_dataset) -> [Double]? {
    guard let weights = dataset.weights else { return nil }
    var port = gradc_port_data()
    (port.element, port.row_count, port.data) = (dataset.element, 1, weights)
    return rows(port, dataset.row_count).map { $0[0] }
  }

  private let iris = "a,b,kind\n1,10,setosa\n2,20,virginica\n3,30,setosa\n4,40,versicolor\n"

  func testClassIndices() throws {
    let ports = Ports(
      inputs: [("x", GRADC_F32, 2)], outputs: [("p", GRADC_F32, 3)], targets: [("kind", GRADC_I32, 1)], task: GRADC_TASK_CLASSES)
    try load(iris, line("numeric a b") + line("target kind"), ports) { dataset, encoder in
      XCTAssertEqual(dataset.row_count, 4)
      XCTAssertEqual(rows(dataset.inputs[0], 4), [[1, 10], [2, 20], [3, 30], [4, 40]])
      XCTAssertEqual(rows(dataset.targets[0], 4), [[0], [2], [0], [1]])
      XCTAssertEqual(String(cString: gradc_encoder_label(&encoder, 1)), "versicolor")
      XCTAssertEqual(part(&dataset, GRADC_PART_TRAIN), [0, 1, 2, 3])
      XCTAssertNil(dataset.weights)
    }
  }

  func testOneHotTargets() throws {
    let ports = Ports(
      inputs: [("x", GRADC_F64, 2)], outputs: [("p", GRADC_F64, 3)], targets: [("kind", GRADC_F64, 3)], task: GRADC_TASK_CLASSES,
      element: GRADC_F64)
    try load(iris, line("numeric a b") + line("target kind"), ports) { dataset, _ in
      XCTAssertEqual(rows(dataset.targets[0], 4), [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]])
    }
  }

  func testLabelsOutOfRange() {
    let three = Ports(
      inputs: [("x", GRADC_F32, 1)], outputs: [("p", GRADC_F32, 3)], targets: [("y", GRADC_I32, 1)], task: GRADC_TASK_CLASSES)
    let binary = Ports(
      inputs: [("x", GRADC_F32, 1)], outputs: [("p", GRADC_F32, 1)], targets: [("y", GRADC_F32, 1)], task: GRADC_TASK_BINARY)
    let recipe = line("numeric x") + line("target y")
    assertContains(loadFailure("x,y\n1,0\n1,3\n", recipe, three), "row 2 (line 3)", "\"y\"", "\"3\"", "0 to 2")
    assertContains(loadFailure("x,y\n1,0\n1,1.5\n", recipe, three), "1.5", "class index")
    assertContains(loadFailure("x,y\n1,0\n1,2\n", recipe, binary), "row 2", "\"2\"", "0 or 1")
    assertContains(loadFailure("x,y\n1,a\n1,b\n1,c\n", recipe, binary), "3 classes", "2")
    assertContains(loadFailure("x,y\n1,a\n1,b\n1,c\n1,d\n", recipe, three), "4 classes", "3")
  }

  func testWidthsMustFitTheModel() {
    let ports = Ports(inputs: [("x", GRADC_F32, 3)], outputs: [("p", GRADC_F32, 1)], targets: [("y", GRADC_F32, 1)])
    assertContains(loadFailure(iris, line("numeric a b") + line("target kind"), ports), "makes 2 numbers of a row", "\"x\"", "takes 3")
    let two = Ports(inputs: [("l", GRADC_F32, 1), ("r", GRADC_F32, 1)], outputs: [], targets: [("y", GRADC_F32, 1)])
    assertContains(loadFailure(iris, line("numeric a b") + line("target kind") + line("input l a b"), two), "makes 2 numbers", "\"l\"")
    assertContains(loadFailure(iris, line("numeric a") + line("target kind") + line("input l a"), two), "\"r\"", "no columns feed")
    assertContains(loadFailure(iris, line("numeric a") + line("target kind") + line("input m a"), two), "no input \"m\"")
    let small = Ports(inputs: [("x", GRADC_U8, 1)], outputs: [], targets: [("y", GRADC_F32, 1)])
    assertContains(loadFailure("x,y\n1,0\n256,0\n", line("numeric x") + line("target y"), small), "row 2", "\"x\"", "256")
  }

  func testSeveralInputsAndTargets() throws {
    let ports = Ports(
      inputs: [("left", GRADC_F32, 2), ("right", GRADC_I32, 1)], outputs: [("p", GRADC_F32, 1), ("q", GRADC_F32, 1)],
      targets: [("y", GRADC_F32, 1), ("z", GRADC_F32, 1), ("left", GRADC_F32, 2)])
    let recipe = line("numeric a b c") + line("target y z") + line("input right b") + line("input left c a")
    try load("a,b,c,y,z\n1,2,3,4,5\n6,7,8,9,10\n", recipe, ports) { dataset, _ in
      XCTAssertEqual(rows(dataset.inputs[0], 2), [[3, 1], [8, 6]])
      XCTAssertEqual(rows(dataset.inputs[1], 2), [[2], [7]])
      XCTAssertEqual(rows(dataset.targets[0], 2), [[4], [9]])
      XCTAssertEqual(rows(dataset.targets[1], 2), [[5], [10]])
      XCTAssertEqual(rows(dataset.targets[2], 2), [[3, 1], [8, 6]])
    }
  }

  func testAutoencoder() throws {
    let ports = Ports(inputs: [("x", GRADC_F32, 2)], outputs: [("r", GRADC_F32, 2)], targets: [("x", GRADC_F32, 2)])
    try load("a,b\n1,2\n3,4\n", line("numeric a b"), ports) { dataset, _ in
      XCTAssertTrue(dataset.targets_shared)
      XCTAssertEqual(rows(dataset.targets[0], 2), [[1, 2], [3, 4]])
      XCTAssertEqual(dataset.targets[0].data, dataset.inputs[0].data)
    }
    // A target column that no loss looks at changes nothing.
    try load("a,b,y\n1,2,9\n3,4,9\n", line("numeric a b") + line("target y"), ports) { dataset, _ in
      XCTAssertTrue(dataset.targets_shared)
      XCTAssertEqual(rows(dataset.targets[0], 2), [[1, 2], [3, 4]])
    }
    let narrow = Ports(inputs: [("x", GRADC_F32, 2)], outputs: [("r", GRADC_F32, 1)], targets: [("y", GRADC_F32, 1)])
    assertContains(loadFailure("a,b\n1,2\n3,4\n", line("numeric a b"), narrow), "no target", "\"y\"")
  }

  func testIdsAndPredictionWithoutTargets() throws {
    let recipe = line("id k") + line("numeric x") + line("target y") + line("missing drop")
    try load("k,x,y\nu,1,5\n\"v,w\",,6\nz,3,7\n", recipe) { dataset, encoder in
      XCTAssertEqual((0..<2).map { String(cString: gradc_dataset_id(&dataset, $0)) }, ["u", "z"])
      XCTAssertEqual([dataset.source_rows[0], dataset.source_rows[1]], [0, 2])
      XCTAssertEqual(String(cString: dataset.id_name), "k")
      try withTable("x;k\n;q\n9;\"r\"\n") { table in
        var new = gradc_dataset()
        try check { gradc_dataset_encode(&table, &encoder, nil, nil, 0, false, &new, $0) }
        defer { gradc_dataset_free(&new) }
        XCTAssertEqual(new.row_count, 1)
        XCTAssertEqual(new.target_count, 0)
        XCTAssertEqual(rows(new.inputs[0], 1), [[9]])
        XCTAssertEqual(String(cString: gradc_dataset_id(&new, 0)), "r")
        XCTAssertEqual(new.source_rows[0], 1)
      }
    }
  }

  /// scikit-learn's balanced weights of the classes 0, 1, 2, 2, 1, 0, 2, 1: 4/3, 8/9, 8/9.
  func testWeights() throws {
    let csv = "x,y,w\n" + [0, 1, 2, 2, 1, 0, 2, 1].map { "1,\($0),\($0 + 1)\n" }.joined()
    let recipe = line("numeric x") + line("target y")
    try load(csv, recipe + line("class_weight balanced")) { dataset, _ in
      assertEqual(weights(dataset)!, [0, 1, 2, 2, 1, 0, 2, 1].map { $0 == 0 ? 4.0 / 3 : 8.0 / 9 }, accuracy: 1e-7)
    }
    try load(csv, recipe + line("sample_weight w") + line("class_weight 2=10 0=0.5")) { dataset, _ in
      XCTAssertEqual(weights(dataset), [0.5, 2, 30, 30, 2, 0.5, 30, 2])
    }
    try load(csv, recipe + line("class_weight 1=3") + line("split train 0.5 test 0.5")) { dataset, _ in
      let test = Set(part(&dataset, GRADC_PART_TEST).map(Int.init))
      let labels = [0, 1, 2, 2, 1, 0, 2, 1]
      XCTAssertEqual(weights(dataset), labels.indices.map { !test.contains($0) && labels[$0] == 1 ? 3 : 1 })
    }
    try load(iris, line("numeric a") + line("target kind") + line("class_weight virginica=7")) { dataset, _ in
      XCTAssertEqual(weights(dataset), [1, 7, 1, 1])
    }
    XCTAssertThrowsError(try load(iris, line("numeric a") + line("target kind") + line("class_weight rose=7")) { _, _ in }) {
      assertContains("\($0)", "\"rose\"", "\"setosa\"")
    }
  }

  func testBatches() throws {
    let csv = "x,y,w\n" + (0..<10).map { "\($0),\($0 * 10),\($0 + 1)\n" }.joined()
    try load(csv, line("numeric x") + line("target y") + line("sample_weight w")) { dataset, _ in
      var batch = gradc_batch()
      try check { gradc_batch_create(&dataset, 4, &batch, $0) }
      defer { gradc_batch_free(&batch) }
      gradc_batch_gather(&dataset, [7, 0, 9], 3, &batch)
      let features = batch.inputs[0]!.assumingMemoryBound(to: Float.self)
      let targets = batch.targets[0]!.assumingMemoryBound(to: Float.self)
      let weights = batch.weights!.assumingMemoryBound(to: Float.self)
      XCTAssertEqual((0..<3).map { features[$0] }, [7, 0, 9])
      XCTAssertEqual((0..<3).map { targets[$0] }, [70, 0, 90])
      XCTAssertEqual((0..<3).map { weights[$0] }, [8, 1, 10])
      XCTAssertEqual(Int(bitPattern: batch.inputs[0]) % 64, 0)
    }
  }

  /// An encoder from a weights file gives the same rows and the same split as the fit did.
  func testGivenEncoderGivesTheSameSplit() throws {
    let csv = "x,c,y\n" + (0..<40).map { "\($0),k\($0 % 3),\($0 % 4 == 0 ? "yes" : "no")\n" }.joined()
    let recipe =
      line("standardize x") + line("one_hot c") + line("target y") + line("split train 0.5 validation 0.25 test 0.25 stratified seed 9")
    try load(csv, recipe) { dataset, encoder in
      let parts = [GRADC_PART_TRAIN, GRADC_PART_VALIDATION, GRADC_PART_TEST]
      let expected = parts.map { part(&dataset, $0) }
      let values = rows(dataset.inputs[0], 40)
      XCTAssertEqual(expected.map(\.count), [20, 10, 10])
      try withUnsafePointer(to: &encoder) { given in
        try load(csv, recipe, options: { $0.encoder = given }) { again, _ in
          XCTAssertEqual(parts.map { part(&again, $0) }, expected)
          XCTAssertEqual(rows(again.inputs[0], 40), values)
        }
      }
    }
  }

  private func writeArray<Element>(_ path: String, _ values: [Element], _ dtype: gradc_dtype, _ dims: [Int64]) throws {
    var array = gradc_array()
    try check { gradc_array_create(dtype, dims, Int32(dims.count), &array, $0) }
    defer { gradc_array_free(&array) }
    values.withUnsafeBytes { array.data.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    try check { gradc_npy_write(path, &array, $0) }
  }

  func testArrays() throws {
    try withFolder { folder in
      try writeArray(folder + "/x.npy", (0..<24).map { UInt8($0) }, GRADC_DTYPE_U8, [4, 2, 3])
      try writeArray(folder + "/y.npy", [0, 1, 2, 1] as [Int64], GRADC_DTYPE_I64, [4])
      let ports = Ports(
        inputs: [("x", GRADC_F32, 6)], outputs: [("p", GRADC_F32, 3)], targets: [("y", GRADC_I32, 1)], task: GRADC_TASK_CLASSES)
      func loadArrays(_ recipe: String, _ body: (inout gradc_dataset) throws -> Void) throws {
        try withRecipe(recipe) { recipe in
          var dataset = gradc_dataset()
          try check { gradc_dataset_load(&recipe, &ports.model, nil, &dataset, nil, $0) }
          defer { gradc_dataset_free(&dataset) }
          try body(&dataset)
        }
      }
      let npy = "npy\t\(folder)/x.npy\t\(folder)/y.npy\n"
      try loadArrays(npy + line("split train 0.5 test 0.5")) { dataset in
        XCTAssertEqual(rows(dataset.inputs[0], 4)[1], [6, 7, 8, 9, 10, 11])
        XCTAssertEqual(rows(dataset.targets[0], 4), [[0], [1], [2], [1]])
        XCTAssertEqual(part(&dataset, GRADC_PART_TEST).count, 2)
      }
      XCTAssertThrowsError(try loadArrays(npy + line("standardize x")) { _ in }) { assertContains("\($0)", "no columns") }
      try writeArray(folder + "/y.npy", [0, 1, 3, 1] as [Int64], GRADC_DTYPE_I64, [4])
      XCTAssertThrowsError(try loadArrays(npy) { _ in }) { assertContains("\($0)", "row 3", "0 to 2") }
      try writeArray(folder + "/y.npy", [0, 1, 2] as [Int64], GRADC_DTYPE_I64, [3])
      XCTAssertThrowsError(try loadArrays(npy) { _ in }) { assertContains("\($0)", "3 rows", "4") }
      try writeArray(folder + "/x.npy", [0, 1] as [Double], GRADC_DTYPE_F64, [2, 1])
      XCTAssertThrowsError(try loadArrays(npy) { _ in }) { assertContains("\($0)", "1 elements a row", "takes 6") }
    }
    XCTAssertThrowsError(
      try withRecipe("") { recipe in
        var dataset = gradc_dataset()
        try check { gradc_dataset_load(&recipe, nil, nil, &dataset, nil, $0) }
      }
    ) { assertContains("\($0)", "names no data") }
  }
}
