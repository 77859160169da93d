import Glibc

/// Loss and metrics over some rows.
public struct EvaluationResult: Hashable, Sendable {
  public var rows: Int
  /// Mean over the rows, without penalties.
  public var loss: Double
  public var metrics: [Metric]
  /// Rows of class i that were predicted as class j; empty for regression.
  public var confusion: [[Int]]
  /// The names of the classes, one a row of the matrix.
  public var labels: [String]

  /// A named figure.
  public struct Metric: Hashable, Sendable {
    public var name: String
    public var value: Double

    public init(_ name: String, _ value: Double) {
      self.name = name
      self.value = value
    }
  }

  public init(rows: Int, loss: Double, metrics: [Metric] = [], confusion: [[Int]] = [], labels: [String] = []) {
    self.rows = rows
    self.loss = loss
    self.metrics = metrics
    self.confusion = confusion
    self.labels = labels.count == confusion.count ? labels : confusion.indices.map { "\($0)" }
  }

  /// The metric of that name.
  public func metric(_ name: String) -> Double? { metrics.first { $0.name == name }?.value }

  /// The cross-entropy of always predicting the shares of the classes: what a network must beat to have learned anything.
  public var constantPredictionLoss: Double? {
    let counts = confusion.map { Double($0.reduce(0, +)) }
    let total = counts.reduce(0, +)
    guard counts.count >= 2, total > 0 else { return nil }
    return counts.filter { $0 > 0 }.reduce(0) { $0 - $1 / total * log($1 / total) }
  }
}

/// What a training did, epoch by epoch.
public struct TrainingHistory: Hashable, Sendable {
  /// One epoch. Figures that were not computed are nil.
  public struct Epoch: Hashable, Sendable {
    /// From 1.
    public var number: Int
    /// As seen during the epoch, with penalties.
    public var loss: Double
    /// Over the validation rows, without penalties.
    public var validationLoss: Double?
    public var rate: Double
    public var seconds: Double
    /// One a metric name.
    public var metrics: [Double?]
    public var validationMetrics: [Double?]

    public init(
      number: Int, loss: Double, validationLoss: Double? = nil, rate: Double = 0, seconds: Double = 0, metrics: [Double?] = [],
      validationMetrics: [Double?] = []
    ) {
      self.number = number
      self.loss = loss
      self.validationLoss = validationLoss
      self.rate = rate
      self.seconds = seconds
      self.metrics = metrics
      self.validationMetrics = validationMetrics
    }
  }

  /// The relu units of a layer that are zero on every row.
  public struct DeadUnits: Hashable, Sendable {
    public var layer: String
    /// Of all its units.
    public var share: Double

    public init(layer: String, share: Double) {
      self.layer = layer
      self.share = share
    }
  }

  /// Why it ended.
  public enum Stop: Hashable, Sendable { case epochs, early, callback, interrupted, notFinite }

  public var model: String
  public var epochs: [Epoch]
  public var metricNames: [String]
  /// The figure that decides which epoch is best: `val_loss`.
  public var monitor: String
  /// From 1; nil: none.
  public var bestEpoch: Int?
  public var bestValue: Double?
  public var stop: Stop
  /// Why it stopped, a sentence.
  public var reason: String
  /// What was said of the gradients; empty: nothing to say.
  public var health: String
  /// Of all epochs.
  public var seconds: Double
  public var validation: EvaluationResult?
  public var test: EvaluationResult?
  /// By layer; empty when they were not counted.
  public var deadUnits: [DeadUnits]
  /// The images with the highest loss, worst first, and the rows that they are among, `test` or `validation`; none unless rows are images.
  public var worst: [WorstImage] = []
  public var worstPart = ""
  /// Whether the loss is nothing but the cross-entropy of the first output, so that it can be compared with that of a constant prediction.
  public var isCrossEntropy = true

  public init(
    model: String, epochs: [Epoch], metricNames: [String] = [], monitor: String = "val_loss", bestEpoch: Int? = nil,
    bestValue: Double? = nil, stop: Stop = .epochs, reason: String = "", health: String = "", seconds: Double = 0,
    validation: EvaluationResult? = nil, test: EvaluationResult? = nil, deadUnits: [DeadUnits] = []
  ) {
    self.model = model
    self.epochs = epochs
    self.metricNames = metricNames
    self.monitor = monitor
    self.bestEpoch = bestEpoch
    self.bestValue = bestValue
    self.stop = stop
    self.reason = reason
    self.health = health
    self.seconds = seconds
    self.validation = validation
    self.test = test
    self.deadUnits = deadUnits
  }
}
