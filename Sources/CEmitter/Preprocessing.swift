/// How columns of raw data become a model's inputs, as fitted in training: what `NAME_row.c` does to a row.
public struct Preprocessing: Hashable, Sendable {
  /// A column of the data and how it is encoded. One source column may be encoded in several ways.
  public struct Column: Hashable, Sendable {
    /// Its name in the data.
    public var name: String
    public var encoding: Encoding

    public init(_ name: String, _ encoding: Encoding) {
      self.name = name
      self.encoding = encoding
    }
  }

  /// What becomes of a column's values.
  public enum Encoding: Hashable, Sendable {
    /// (x - offset) / scale in double precision, one element. `fill` replaces a missing x; without it a missing x is an error.
    case number(offset: Double, scale: Double, fill: Double?)
    /// An element for each category (but the first when `dropFirst`), 1 for the row's own, else 0.
    case category(Categories, dropFirst: Bool, unknown: Replacement, missing: Replacement)
  }

  /// The values of a column of categories, ascending: by number, or by bytes.
  public enum Categories: Hashable, Sendable {
    case numbers([Double])
    case texts([String])

    var count: Int {
      switch self {
      case .numbers(let values): values.count
      case .texts(let values): values.count
      }
    }
  }

  /// What stands for a category that is missing or was not seen in training.
  public enum Replacement: Hashable, Sendable {
    /// Nothing: it is an error.
    case refused
    /// Zeros in all elements.
    case zeros
    /// The category of this index.
    case category(Int)
  }

  /// The columns that are laid side by side in one of the model's inputs.
  public struct Input: Hashable, Sendable {
    /// The input's name; nil: the first one.
    public var name: String?
    /// Indices of columns.
    public var columns: [Int]

    public init(name: String? = nil, columns: [Int]) {
      self.name = name
      self.columns = columns
    }
  }

  /// What the model learned to tell: classes with these labels, or when there are none numbers, output = (target - offset) / scale.
  public struct Target: Hashable, Sendable {
    public var name: String
    public var labels: [String]
    public var offset: Double
    public var scale: Double

    public init(_ name: String, labels: [String] = [], offset: Double = 0, scale: Double = 1) {
      self.name = name
      self.labels = labels
      self.offset = offset
      self.scale = scale
    }
  }

  /// How images become the model's only input: value = pixel x scale, then (value - mean) / deviation of its channel, in double precision.
  public struct Images: Hashable, Sendable {
    public var channels: Int
    public var height: Int
    public var width: Int
    /// Whether the input is [N, H, W, C], else [N, C, H, W].
    public var channelsLast: Bool
    public var scale: Double
    /// One a channel.
    public var mean: [Double]
    public var deviation: [Double]

    public init(
      channels: Int, height: Int, width: Int, channelsLast: Bool = false, scale: Double = 1, mean: [Double], deviation: [Double]
    ) {
      self.channels = channels
      self.height = height
      self.width = width
      self.channelsLast = channelsLast
      self.scale = scale
      self.mean = mean
      self.deviation = deviation
    }
  }

  /// Of a model of images, which has no columns.
  public var images: Images?
  public var columns: [Column]
  public var inputs: [Input]
  public var targets: [Target]
  /// Texts and numbers that mean "missing", besides the empty text and NaN.
  public var missingTexts: [String]
  public var missingNumbers: [Double]
  /// The probability from which a row counts as of the second of two classes.
  public var threshold: Double

  public init(
    columns: [Column], inputs: [Input], targets: [Target] = [], missingTexts: [String] = [], missingNumbers: [Double] = [],
    threshold: Double = 0.5, images: Images? = nil
  ) {
    self.images = images
    self.columns = columns
    self.inputs = inputs
    self.targets = targets
    self.missingTexts = missingTexts
    self.missingNumbers = missingNumbers
    self.threshold = threshold
  }
}

extension Preprocessing.Column {
  /// Elements of the model's input that it fills.
  var width: Int {
    switch encoding {
    case .number: 1
    case .category(let categories, let dropFirst, _, _): max(0, categories.count - (dropFirst ? 1 : 0))
    }
  }

  /// Whether a row holds it as text.
  var isText: Bool {
    if case .category(.texts, _, _, _) = encoding { return true }
    return false
  }
}
