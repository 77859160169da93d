import CRuntime
import XCTest

/// The recipes of the examples on the data sets that lie beside the repository. Expected figures are scikit-learn 1.9's.
final class RealDataTests: XCTestCase {
  private func load(_ recipe: String, _ body: (inout gradc_dataset, inout gradc_encoder) throws -> Void) throws {
    try withRecipe(recipe) { recipe in
      var dataset = gradc_dataset()
      var encoder = gradc_encoder()
      try check { gradc_dataset_load(&recipe, nil, nil, &dataset, &encoder, $0) }
      defer {
        gradc_dataset_free(&dataset)
        gradc_encoder_free(&encoder)
      }
      try body(&dataset, &encoder)
    }
  }

  private let heart =
    line("target target") + line("standardize age trestbps chol thalach oldpeak slope") + line("one_hot sex cp fbs restecg exang ca thal")

  func testHeartHas29Inputs() throws {
    let path = try sharedData("heart/heart.csv")
    try load("csv\t\(path)\n" + heart) { dataset, encoder in
      XCTAssertEqual(dataset.inputs[0].row_count, 29)
      assertEqual(
        (0..<6).map { encoder.columns[$0].offset },
        [54.59405940594059, 131.78547854785478, 246.54785478547853, 149.1947194719472, 1.0577557755775577, 1.5907590759075907],
        accuracy: 1e-14)
      assertEqual(
        (0..<6).map { encoder.columns[$0].scale },
        [9.001479399299255, 17.719025975957834, 52.089763096893265, 23.13509696089366, 1.1631005477811542, 0.6167468293607506],
        accuracy: 1e-13)
      let encoded = rows(dataset.inputs[0], 303)
      XCTAssertEqual(
        (6..<29).map { column in encoded.reduce(0) { $0 + $1[column] } },
        [98, 205, 4, 24, 49, 84, 142, 258, 45, 149, 8, 146, 204, 99, 176, 67, 40, 20, 1, 1, 18, 168, 115])
      XCTAssertEqual(rows(dataset.targets[0], 303).reduce(0) { $0 + $1[0] }, 83)
    }
  }

  func testHeartStratified() throws {
    let path = try sharedData("heart/heart.csv")
    try load("csv\t\(path)\n" + heart + line("split train 0.7 validation 0.15 test 0.15 stratified seed 42")) { dataset, _ in
      let labels = rows(dataset.targets[0], 303)
      let positives = [GRADC_PART_TRAIN, GRADC_PART_VALIDATION, GRADC_PART_TEST].map { part -> Double in
        var count = 0
        let list = gradc_dataset_part(&dataset, part, &count)
        return (0..<count).reduce(0) { $0 + labels[Int(list![$1])][0] }
      }
      XCTAssertEqual(positives, [58, 13, 12])
    }
  }

  func testChurnHas11Inputs() throws {
    let path = try sharedData("churn/Churn_Modelling.csv")
    let recipe =
      line("target Exited") + line("id CustomerId")
      + line("standardize CreditScore Age Tenure Balance NumOfProducts HasCrCard IsActiveMember EstimatedSalary")
    try load("csv\t\(path)\n" + recipe + line("one_hot drop_first Geography Gender")) { dataset, encoder in
      XCTAssertEqual(dataset.inputs[0].row_count, 11)
      XCTAssertEqual(strings(encoder.ignored), ["RowNumber", "Surname"])
      assertEqual(
        [0, 3, 7].map { encoder.columns[$0].offset }, [650.5288, 76485.889288, 100090.239881], accuracy: 1e-14)
      assertEqual(
        [0, 3, 7].map { encoder.columns[$0].scale }, [96.64846595037089, 62394.285254125185, 57507.617221165565], accuracy: 1e-12)
      XCTAssertEqual(String(cString: gradc_dataset_id(&dataset, 0)), "15634602")
      XCTAssertEqual(rows(dataset.targets[0], 10000).reduce(0) { $0 + $1[0] }, 2037)
    }
    try load("csv\t\(path)\n" + recipe + line("one_hot Geography Gender")) { dataset, _ in
      XCTAssertEqual(dataset.inputs[0].row_count, 13)
    }
  }
}
