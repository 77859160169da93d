import CRuntime
import XCTest

/// Expected figures are scikit-learn 1.9's.
final class MetricsTests: XCTestCase {
  private let labels: [Float] = [0, 1, 1, 0, 1, 0, 1, 1, 0, 0]
  private let scores: [Float] = [0.1, 0.4, 0.35, 0.8, 0.9, 0.4, 0.65, 0.4, 0.2, 0.35]

  private func value(_ metrics: inout gradc_metrics, _ name: String) throws -> Double {
    var value = 0.0
    try check { gradc_metrics_value(&metrics, name, &value, $0) }
    return value
  }

  private func withMetrics(
    _ task: gradc_task, _ width: Int, threshold: Double = 0.5, _ body: (inout gradc_metrics) throws -> Void
  ) throws {
    var metrics = gradc_metrics()
    try check { gradc_metrics_create(task, width, threshold, true, &metrics, $0) }
    defer { gradc_metrics_free(&metrics) }
    try body(&metrics)
  }

  func testBinary() throws {
    try withMetrics(GRADC_TASK_BINARY, 1, threshold: 0.4) { metrics in
      for start in [0, 4, 8] {  // in batches of 4, 4 and 2
        let end = min(start + 4, 10)
        try check {
          gradc_metrics_add(
            &metrics, Array(scores[start..<end]), GRADC_F32, Array(labels[start..<end]), GRADC_F32, 1, end - start, $0)
        }
      }
      // 0.4 as a float is a little more than 0.4: the threshold counts it in.
      XCTAssertEqual(try value(&metrics, "accuracy"), 0.7, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "precision"), 2.0 / 3, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "recall"), 0.8, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "f1"), 0.7272727272727273, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "auc"), 0.74, accuracy: 1e-15)
      XCTAssertEqual((0..<4).map { gradc_metrics_confusion(&metrics, $0 / 2, $0 % 2) }, [3, 2, 1, 4])
      XCTAssertEqual(metrics.rows, 10)
      gradc_metrics_reset(&metrics)
      XCTAssertEqual(try value(&metrics, "accuracy"), 0)
    }
  }

  func testAreaUnderTheCurveAtItsLimits() throws {
    func auc(_ scores: [Double], _ labels: [Double]) throws -> Double {
      var result = 0.0
      try withMetrics(GRADC_TASK_BINARY, 1) { metrics in
        try check { gradc_metrics_add(&metrics, scores, GRADC_F64, labels, GRADC_F64, 1, scores.count, $0) }
        result = try value(&metrics, "auc")
      }
      return result
    }
    XCTAssertEqual(try auc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]), 1)
    XCTAssertEqual(try auc([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]), 0)
    XCTAssertEqual(try auc([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]), 0.5)
    XCTAssertTrue(try auc([0.5, 0.6], [1, 1]).isNaN)
    XCTAssertTrue(try auc([.nan, 0.6], [1, 0]).isNaN)
  }

  func testSeveralClasses() throws {
    let probabilities: [Double] = [
      0.7, 0.2, 0.1, 0.1, 0.6, 0.3, 0.2, 0.3, 0.5, 0.5, 0.3, 0.2, 0.3, 0.3, 0.4, 0.4, 0.35, 0.25, 0.1, 0.1, 0.8, 0.2, 0.7, 0.1,
    ]
    let classes: [Int32] = [0, 1, 2, 2, 1, 0, 2, 1]
    let oneHot = classes.flatMap { label in (0..<3).map { Double($0 == Int(label) ? 1 : 0) } }
    for form in ["index", "one-hot"] {
      try withMetrics(GRADC_TASK_CLASSES, 3) { metrics in
        if form == "index" {
          try check { gradc_metrics_add(&metrics, probabilities, GRADC_F64, classes, GRADC_I32, 1, 8, $0) }
        } else {
          try check { gradc_metrics_add(&metrics, probabilities, GRADC_F64, oneHot, GRADC_F64, 3, 8, $0) }
        }
        XCTAssertEqual(try value(&metrics, "accuracy"), 0.75, accuracy: 1e-15, form)
        XCTAssertEqual(try value(&metrics, "precision"), 0.7777777777777777, accuracy: 1e-15, form)
        XCTAssertEqual(try value(&metrics, "recall"), 0.7777777777777777, accuracy: 1e-15, form)
        XCTAssertEqual(try value(&metrics, "f1"), 0.7555555555555555, accuracy: 1e-15, form)
        XCTAssertEqual(try value(&metrics, "auc"), 0.861111111111111, accuracy: 1e-15, form)
        XCTAssertEqual((0..<9).map { gradc_metrics_confusion(&metrics, $0 / 3, $0 % 3) }, [2, 0, 0, 0, 2, 1, 1, 0, 2], form)
      }
    }
  }

  func testRegression() throws {
    try withMetrics(GRADC_TASK_REGRESSION, 1) { metrics in
      let predicted = [2.5, 0, 2, 8]
      let actual = [3, -0.5, 2, 7]
      try check { gradc_metrics_add(&metrics, predicted, GRADC_F64, actual, GRADC_F64, 1, 4, $0) }
      XCTAssertEqual(try value(&metrics, "r2"), 0.9486081370449679, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "mae"), 0.5, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "mean_squared_error"), 0.375, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "rmse"), 0.6123724356957945, accuracy: 1e-15)
    }
    try withMetrics(GRADC_TASK_REGRESSION, 2) { metrics in
      try check { gradc_metrics_add(&metrics, [0.0, 2, -1, 2, 8, -5], GRADC_F64, [0.5, 1, -1, 1, 7, -6], GRADC_F64, 2, 3, $0) }
      XCTAssertEqual(try value(&metrics, "r2"), 0.9368005266622779, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "mae"), 0.75, accuracy: 1e-15)
      XCTAssertEqual(try value(&metrics, "mse"), 0.7083333333333334, accuracy: 1e-15)
    }
  }

  /// The notes' example: y = [1, 2, 3], predictions [1.5, 2, 5].
  func testNotesExample() throws {
    try withMetrics(GRADC_TASK_REGRESSION, 1) { metrics in
      try check { gradc_metrics_add(&metrics, [1.5, 2, 5] as [Float], GRADC_F32, [1, 2, 3] as [Float], GRADC_F32, 1, 3, $0) }
      XCTAssertEqual(try value(&metrics, "mse"), 1.4166667, accuracy: 1e-7)
      XCTAssertEqual(try value(&metrics, "mae"), 0.8333333, accuracy: 1e-7)
    }
  }

  func testErrorsInTheTargetsOwnUnit() throws {
    let csv = "x,y\n1,10\n2,20\n3,30\n4,40\n"
    try withFit(csv, line("target y") + line("numeric x") + line("standardize_target")) { fit, _ in
      try withMetrics(GRADC_TASK_REGRESSION, 1) { metrics in
        try check { gradc_metrics_set_unit(&metrics, &fit.encoder, $0) }
        try check { gradc_metrics_add(&metrics, [0.0, 1], GRADC_F64, [1.0, 1], GRADC_F64, 1, 2, $0) }
        // The deviation of 10, 20, 30, 40 is the root of 125.
        XCTAssertEqual(try value(&metrics, "mae"), 125.0.squareRoot() / 2, accuracy: 1e-12)
      }
    }
  }

  func testErrors() throws {
    try withMetrics(GRADC_TASK_REGRESSION, 1) { metrics in
      var value = 0.0
      assertContains(failure { gradc_metrics_value(&metrics, "accuracy", &value, $0) }, "accuracy", "mae")
      assertContains(failure { gradc_metrics_value(&metrics, "rsme", &value, $0) }, "did you mean")
      assertContains(failure { gradc_metrics_add(&metrics, [1.0, 2], GRADC_F64, [1.0, 2], GRADC_F64, 2, 1, $0) }, "2 elements")
    }
    try withMetrics(GRADC_TASK_CLASSES, 3) { metrics in
      assertContains(
        failure { gradc_metrics_add(&metrics, [1.0, 0, 0], GRADC_F64, [3] as [Int32], GRADC_I32, 1, 1, $0) }, "row 1", "3", "0 to 2")
    }
    XCTAssertTrue(gradc_metric_is_score("val_auc"))
    XCTAssertFalse(gradc_metric_is_score("val_loss"))
    XCTAssertFalse(gradc_metric_is_score("mae"))
  }

  /// A binary model with two outputs counts each element as a row.
  func testSeveralBinaryOutputs() throws {
    try withMetrics(GRADC_TASK_BINARY, 2) { metrics in
      try check { gradc_metrics_add(&metrics, [0.9, 0.2, 0.6, 0.7], GRADC_F64, [1.0, 1, 0, 1], GRADC_F64, 2, 2, $0) }
      XCTAssertEqual(try value(&metrics, "accuracy"), 0.5)
      XCTAssertEqual(try value(&metrics, "auc"), 2.0 / 3, accuracy: 1e-15)
    }
  }
}
