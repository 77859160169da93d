import CRuntime

extension TrainingHistory {
  /// What the runtime recorded. `encoder` gives the classes their labels.
  public init(_ history: UnsafePointer<gradc_history>, model: String, encoder: Encoder?) {
    let record = history.pointee
    let metricCount = Int(record.metric_count)
    func known(_ value: Double) -> Double? { value.isNaN ? nil : value }
    func metrics(_ index: Int, validation: Bool) -> [Double?] {
      (0..<metricCount).map { known(gradc_history_metric(history, Int32(index), Int32($0), validation)) }
    }
    let epochs = (0..<Int(record.epoch_count)).compactMap { index -> Epoch? in
      guard let epoch = gradc_history_epoch(history, Int32(index))?.pointee else { return nil }
      return Epoch(
        number: Int(epoch.epoch), loss: epoch.loss, validationLoss: known(epoch.val_loss), rate: epoch.rate, seconds: epoch.seconds,
        metrics: metrics(index, validation: false), validationMetrics: metrics(index, validation: true))
    }
    self.init(
      model: model, epochs: epochs, metricNames: (0..<metricCount).map { String(cString: gradc_history_metric_name(history, Int32($0))) },
      monitor: String(cString: gradc_history_monitor(history)), bestEpoch: record.best_epoch > 0 ? Int(record.best_epoch) : nil,
      bestValue: record.best_epoch > 0 ? record.best_value : nil, stop: Stop(record.stop),
      reason: String(cString: gradc_history_reason(history)), health: String(cString: gradc_history_health(history)),
      seconds: record.seconds)
    var (validation, test) = (record.validation, record.test)
    self.validation = EvaluationResult(&validation, encoder: encoder)
    self.test = EvaluationResult(&test, encoder: encoder)
  }
}

extension TrainingHistory.Stop {
  fileprivate init(_ stop: gradc_stop) {
    switch stop {
    case GRADC_STOP_EARLY: self = .early
    case GRADC_STOP_CALLBACK: self = .callback
    case GRADC_STOP_INTERRUPTED: self = .interrupted
    case GRADC_STOP_NOT_FINITE: self = .notFinite
    default: self = .epochs
    }
  }
}

extension EvaluationResult {
  /// Nil when no rows were evaluated.
  public init?(_ evaluation: inout gradc_evaluation, encoder: Encoder?) {
    guard evaluation.rows > 0 else { return nil }
    let metrics = (0..<evaluation.metric_count).map { index in
      Metric(String(cString: gradc_evaluation_name(&evaluation, index)), gradc_evaluation_value(&evaluation, index))
    }
    let side = evaluation.class_count
    let confusion = (0..<side).map { actual in (0..<side).map { Int(evaluation.confusion[actual * side + $0]) } }
    self.init(
      rows: evaluation.rows, loss: evaluation.loss, metrics: metrics, confusion: confusion,
      labels: (0..<side).map { encoder?.label($0) ?? "\($0)" })
  }
}
