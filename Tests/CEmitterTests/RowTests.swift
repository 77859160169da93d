import Basics
import CEmitter
import CRuntime
import Foundation
import Gradc
import LoopIR
import XCTest

@testable import TestSupport

/// The encoding of raw rows in emitted C against the runtime's, which encodes in training: the same bits, and the same refusals.
final class RowTests: XCTestCase {
  private let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  /// Encodes all rows by both and compares the bytes, with every compiler of the machine.
  private func compare(
    _ fit: FittedRows, _ csv: String, program: Program? = nil, file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let program = program ?? fit.program()
    let expected = try fit.runtime(csv, program).get()
    let rows = try fit.rows(csv)
    let emitted = try fit.emitted(program)
    let folder = try temporaryFolder(self)
    for (name, command) in compilers() {
      let found = try RowLibrary(emitted, compiler: command, folder: folder).encode(rows, program)
      XCTAssertEqual(found.status, 0, "\(name): row \(found.row), \(found.column): \(found.message)", file: file, line: line)
      XCTAssertTrue(found.inputs == expected, "\(name): other bytes than in training", file: file, line: line)
    }
  }

  /// What both say about rows that neither takes: the emitted code's status, row, column and message. The runtime must name the same cell.
  private func refusal(_ fit: FittedRows, _ csv: String, program: Program? = nil) throws -> String {
    let program = program ?? fit.program()
    let folder = try temporaryFolder(self)
    let command = compilers().first!.command
    let found = try RowLibrary(fit.emitted(program), compiler: command, folder: folder).encode(fit.rows(csv), program)
    switch try fit.runtime(csv, program) {
    case .success: XCTFail("the runtime takes these rows")
    case .failure(let error):
      XCTAssertTrue(error.message.contains("row \(found.row + 1) "), "row \(found.row + 1), but: \(error.message)")
      XCTAssertTrue(error.message.contains("column \"\(found.column)\""), "column \(found.column), but: \(error.message)")
    }
    return "\(found.status) \(found.row) \(found.column): \(found.message)"
  }

  /// A data set beside the package, or where GRADC_DATA says.
  private func sharedData(_ name: String) -> String? {
    let package = here.deletingLastPathComponent().deletingLastPathComponent()
    let sibling = package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let folder = ProcessInfo.processInfo.environment["GRADC_DATA"] ?? sibling
    return try? String(contentsOfFile: folder + "/" + name, encoding: .utf8)
  }

  // MARK: - Whole tables

  private let heartRecipe = """
    target target
    standardize age trestbps chol thalach oldpeak slope
    one_hot sex cp fbs restecg exang ca thal
    split train 0.7 validation 0.15 test 0.15 stratified seed 42
    """

  private let smallHeart = """
    age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,target
    63,1,1,145,233,1,2,150,0,2.3,3,0,fixed,0
    67,1,4,160,286,0,2,108,1,1.5,2,3,normal,1
    67,0,4,120,229,0,2,129,1,2.6,2,2,reversible,0
    37,1,3,130,250,0,0,187,0,3.5,3,0,normal,0
    41,0,2,130,204,0,2,172,0,1.4,1,0,normal,1
    56,1,2,120,236,0,0,178,0,0.8,1,0,normal,0
    62,0,4,140,268,0,2,160,0,3.6,3,2,normal,1
    57,0,4,120,354,0,0,163,1,0.6,1,0,normal,0
    63,1,4,130,254,0,2,147,0,1.4,2,1,reversible,1
    53,1,4,140,203,1,2,155,1,3.1,3,0,reversible,0

    """

  func testHeart() throws {
    try compare(FittedRows(smallHeart, heartRecipe), smallHeart)
    guard let csv = sharedData("heart/heart.csv") else { return }
    let fit = try FittedRows(csv, heartRecipe)
    XCTAssertEqual(gradc_encoder_width(fit.encoder.pointer), 29)
    try compare(fit, csv)
  }

  func testChurnDropsFirstCategories() throws {
    let recipe = """
      target Exited
      id CustomerId
      ignore RowNumber Surname
      standardize CreditScore Age Tenure Balance NumOfProducts EstimatedSalary
      numeric HasCrCard IsActiveMember
      one_hot drop_first Geography Gender
      """
    let small = """
      RowNumber,CustomerId,Surname,CreditScore,Geography,Gender,Age,Tenure,Balance,NumOfProducts,HasCrCard,IsActiveMember,EstimatedSalary,Exited
      1,15634602,Hargrave,619,France,Female,42,2,0,1,1,1,101348.88,1
      2,15647311,Hill,608,Spain,Female,41,1,83807.86,1,0,1,112542.58,0
      3,15619304,Onio,502,France,Female,42,8,159660.8,3,1,0,113931.57,1
      4,15701354,Boni,699,Germany,Male,39,1,0,2,0,0,93826.63,0

      """
    for csv in [small, sharedData("churn/Churn_Modelling.csv")].compactMap({ $0 }) {
      let fit = try FittedRows(csv, recipe)
      XCTAssertEqual(gradc_encoder_width(fit.encoder.pointer), 11)
      try compare(fit, csv)
    }
  }

  func testBreastCancer() throws {
    let examples = here.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("examples")
    let csv = try String(contentsOf: examples.appendingPathComponent("breast_cancer/breast_cancer.csv"), encoding: .utf8)
    let fit = try FittedRows(csv, "target diagnosis\nstandardize *\nsplit train 0.7 validation 0.15 test 0.15 stratified seed 42")
    try compare(fit, csv)
    let emitted = try fit.emitted(fit.program())
    XCTAssertTrue(emitted.header.contains("#define VISIT_THRESHOLD 0.5\n"))
    XCTAssertTrue(emitted.source.contains("visit_labels[VISIT_LABELS] = {\"benign\", \"malignant\"};"))
  }

  // MARK: - Rules

  func testMissingValuesAreFilled() throws {
    let csv = """
      mean,median,zero,constant,frequent,word,number,either,blank,y
      1,1,1,1,1,red,1,a,x,0
      2,2,2,2,2,green,2,b,y,1
      NA,,,NA,,,,,,0
      4,7,4,4,2,red,1,,z,1
      8.125,1e-3,-8,4,1,"bl""ue",10,b,x,0
      -999,-999,-999,-999,-999,NA,-999,-999,-999,1

      """
    let recipe = """
      target y
      standardize mean median zero
      min_max constant frequent
      one_hot word number either
      one_hot drop_first blank
      missing_marker NA -999
      missing mean mean
      missing median median
      missing zero zero
      missing constant 3.5 constant
      missing most_frequent frequent
      missing most_frequent word
      missing constant 7 number
      missing zero either
      missing constant x blank
      """
    try compare(FittedRows(csv, recipe), csv)
  }

  func testUnseenCategories() throws {
    let csv = "colour,level,y\nred,1,0\ngreen,2.5,1\nblue,10,0\n"
    let unseen = "colour,level\nred,1.0\ngreen,2.5\nviolet,3\n"
    let unseenNumber = "colour,level\nred,1.0\ngreen,2.4999999999999996\n"
    let strict = try FittedRows(csv, "target y\none_hot colour level")
    XCTAssertEqual(try refusal(strict, unseen), "102 2 colour: the category was not seen in training")
    XCTAssertEqual(try refusal(strict, unseenNumber), "102 1 level: the category was not seen in training")
    for drop in ["", "drop_first "] {
      let zeros = try FittedRows(csv, "target y\none_hot \(drop)unknown=zeros colour level")
      try compare(zeros, unseen)
      try compare(zeros, unseenNumber)
    }
  }

  func testMissingAndBadValuesAreRefused() throws {
    let csv = "x,colour,level,y\n1,red,1,0\n2,green,2,1\n3.5,red,2,0\n"
    let fit = try FittedRows(csv, "target y\nmin_max x\none_hot colour level")
    let missing = "the value is missing, and the recipe refuses missing values here"
    XCTAssertEqual(try refusal(fit, "x,colour,level\n1,red,1\n,red,1\n"), "101 1 x: \(missing)")
    XCTAssertEqual(try refusal(fit, "x,colour,level\n1,,1\n"), "101 0 colour: \(missing)")
    XCTAssertEqual(try refusal(fit, "x,colour,level\n1,red,1\n1,red,2\n1,red,\n"), "101 2 level: \(missing)")
    XCTAssertEqual(
      try refusal(fit, "x,colour,level\n1e300,red,1\n"), "103 0 x: the number is not finite, or does not fit the model once encoded")
    XCTAssertEqual(
      try refusal(fit, "x,colour,level\ninf,red,1\n"), "103 0 x: the number is not finite, or does not fit the model once encoded")
  }

  func testSeveralInputsOfSeveralTypes() throws {
    let csv = "age,height,colour,code,y\n31,1.75,red,3,0\n44,1.5,green,0,1\n70,1.625,red,255,0\n"
    let fit = try FittedRows(
      csv, "target y\nstandardize age height\none_hot colour\nnumeric code\ninput person age height colour\ninput codes code colour")
    let person = Port(name: "person", element: .f64, dims: [4])
    for element in [ElementType.u8, .i32, .i64, .f32] {
      let codes = Port(name: "codes", element: element, dims: [3])
      try compare(fit, csv, program: fit.program([person, codes]))
      try compare(fit, csv, program: fit.program([codes, person]))
    }
    let bytes = fit.program([person, Port(name: "codes", element: .u8, dims: [3])])
    for code in ["256", "-1", "1.5"] {
      XCTAssertEqual(
        try refusal(fit, "age,height,colour,code\n31,1.75,red,\(code)\n", program: bytes),
        "103 0 code: the number is not finite, or does not fit the model once encoded")
    }
  }

  func testWhatDoesNotFitTheModelIsRefused() throws {
    let fit = try FittedRows("a,b,y\n1,2,0\n3,5,1\n", "target y\nstandardize a b\ninput left a\ninput right b")
    func message(_ ports: [Port]) -> String {
      do { _ = try fit.emitted(fit.program(ports)) } catch { return (error as? Diagnostic)?.message ?? "\(error)" }
      return "no error"
    }
    let left = Port(name: "left", element: .f32, dims: [1])
    XCTAssertTrue(message([left]).contains("feeds an input 'right'; the model has 'left'"))
    XCTAssertTrue(
      message([left, Port(name: "right", element: .f32, dims: [2])]).contains("encodes 1 columns, the model's input 'right' takes 2"))
    XCTAssertTrue(
      message([left, Port(name: "right", element: .f32, dims: [1]), Port(name: "more", element: .f32, dims: [1])])
        .contains("feed the model's input 'more'"))
  }

  func testNumbersAreScaledBack() throws {
    let csv = "x,y,z\n1,10,-3\n2,20.5,4\n4,50,-7.25\n"
    let fit = try FittedRows(csv, "target y z\nstandardize_target\nnumeric x")
    let outputs: [Float] = [0.3, -1.25, 1e-7, 2.5, -0, 7]
    let expected = outputs.enumerated().map { gradc_encoder_decode(fit.encoder.pointer, $0.offset % 2, Double($0.element)) }
    let emitted = try fit.emitted(fit.program(output: 2))
    let folder = try temporaryFolder(self)
    for (name, command) in compilers() {
      let found = try RowLibrary(emitted, compiler: command, folder: folder).decode(outputs, rows: 3)
      XCTAssertEqual(found.map(\.bitPattern), expected.map(\.bitPattern), name)
    }
    let unscaled = try FittedRows(csv, "target y z\nnumeric x")
    XCTAssertFalse(try unscaled.emitted(unscaled.program(output: 2)).header.contains("visit_decode"))
  }

  // MARK: - Text

  private func visit() throws -> FittedRows {
    try FittedRows(
      "age,blood-type,ward,outcome\n30,A,1,home\n50,B,2,stays\n,A,2,home\n",
      """
      target outcome
      standardize age
      one_hot unknown=zeros blood-type
      one_hot drop_first ward
      missing mean age
      """)
  }

  func testGoldenText() throws {
    let fit = try visit()
    let emitted = try fit.emitted(fit.program())
    for (name, text) in [("visit_row.h.txt", emitted.header), ("visit_row.c.txt", emitted.source)] {
      let golden = here.appendingPathComponent("Golden/" + name)
      if ProcessInfo.processInfo.environment["GRADC_BLESS"] == "1" { try text.write(to: golden, atomically: true, encoding: .utf8) }
      XCTAssertEqual(text, try String(contentsOf: golden, encoding: .utf8))
    }
  }

  func testNamesNeverReachCUnescaped() throws {
    let nasty = ["int", "*/ \"; ??/", "größe", "row", "strcmp", "VISIT_BYTES", "a/*b", "größe ", "größe\u{202e}", "\\"]
    let cells = ["\"x\"\"; */\"", "??/", "\\n", "*/", "ü", "%s", "NAN", "\u{202e}", "a\tb", "0x"]
    let quoted = nasty.map { "\"\($0.replacingOccurrences(of: "\"", with: "\"\""))\"" }
    let csv =
      "y," + quoted.joined(separator: ",") + "\n0," + cells.joined(separator: ",") + "\n1," + cells.reversed().joined(separator: ",") + "\n"
    try compare(FittedRows(csv, "target y\none_hot *"), csv)
    let numbers = "y," + quoted.joined(separator: ",") + "\n0,1,2,3,4,5,6,7,8,9,10\n1,2,3,4,5,6,7,8,9,10,11\n"
    try compare(FittedRows(numbers, "target y\nmin_max *"), numbers)
  }

  func testEmbeddingInCPlusPlusUnderSanitizers() throws {
    guard isInstalled("clang"), isInstalled("clang++") else { throw XCTSkip("no clang") }
    let folder = try temporaryFolder(self)
    let fit = try visit()
    let emitted = try fit.emitted(fit.program())
    try emitted.header.write(to: folder.appendingPathComponent("visit_row.h"), atomically: true, encoding: .utf8)
    try emitted.source.write(to: folder.appendingPathComponent("visit_row.c"), atomically: true, encoding: .utf8)
    let main = """
      #include "visit_row.h"
      #include <cmath>
      #include <cstdio>
      int main() {
        const visit_row rows[4] = {{40, "A", 1}, {NAN, "B", 2}, {50, "0", 2}, {50, "A", 3}};
        float *features = new float[3 * 4];
        visit_problem problem = {};
        std::printf("%d\\n", visit_encode(rows, 3, features, &problem));
        for (int i = 0; i < 12; ++i) std::printf("%g ", double(features[i]));
        std::printf("%d ", visit_encode(rows + 3, 1, features, &problem));
        std::printf("%d %s %s %s\\n", problem.row, problem.column, problem.message, visit_labels[1]);
        std::printf("%d\\n", visit_encode(rows + 3, 1, features, nullptr));
        delete[] features;
      }
      """
    try main.write(to: folder.appendingPathComponent("main.cpp"), atomically: true, encoding: .utf8)
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    XCTAssertEqual(try execute(["clang"] + warningFlags + sanitizers + ["-c", "visit_row.c"], in: folder).output, "")
    XCTAssertEqual(
      try execute(["clang++", "-std=c++11", "-Wall", "-Wextra"] + sanitizers + ["main.cpp", "visit_row.o", "-o", "main"], in: folder)
        .output,
      "")
    // Of the ages 30, 50 and the filled 40: mean 40, deviation sqrt(200 / 3).
    XCTAssertEqual(
      try execute(["./main"], in: folder).output,
      """
      0
      0 1 0 0 0 0 1 1 1.22474 0 0 1 102 0 ward the category was not seen in training stays
      102

      """)
  }

  func testTheExampleEncodesARow() throws {
    let folder = try temporaryFolder(self)
    let fit = try FittedRows(smallHeart, heartRecipe)
    let missing = 29 - gradc_encoder_width(fit.encoder.pointer)
    var preprocessing = fit.preprocessing
    // As wide as the sample's input.
    for _ in 0..<missing { preprocessing.inputs[0].columns.append(0) }
    let data = bytes(numbers(480), .f32)
    let header =
      #"{"dense1.weight":{"dtype":"F32","shape":[29,16],"data_offsets":[0,1856]},"dense1.bias":{"dtype":"F32","shape":[16],"data_offsets":[1856,1920]}}"#
    let weights = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8) + data
    let project = try emitProject(
      Sample.dense(), options: EmitOptions(blas: .none), contents: ProjectContents(weights: weights, preprocessing: preprocessing))
    try write(project, to: folder)
    let made = try execute(["make", "-s", "CFLAGS=-O1 -Wall -Wextra -Wconversion -Wpedantic -Werror"], in: folder)
    XCTAssertEqual(made.output, "")
    let result = try execute(["./tiny_example"], in: folder)
    XCTAssertEqual(result.status, 0, result.output)
    XCTAssertEqual(result.output.split(separator: "\n").count, 16)
    let example = project.file("example.c")!.text
    XCTAssertTrue(example.contains("    .thal = \"fixed\",\n"), example)
    XCTAssertTrue(project.file("CMakeLists.txt")!.text.contains("add_library(tiny_library STATIC tiny.c tiny_row.c)"))
  }
}
