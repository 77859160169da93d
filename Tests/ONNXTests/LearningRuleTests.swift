import Foundation
import GraphIR
import ONNX
import Operators
import Testing

/// Losses, an optimizer's step and the operators of scikit-learn's exports.
@Suite struct LearningRuleTests {
  @Test(arguments: losses + linear) func rules(_ test: RuleCase) throws { try test.check() }

  private static let classes = RuleCase.Operand.input(TensorLiteral([2, 0, 1, 1], shape: [2, 2], element: .i64))
  private static let weights = RuleCase.Operand.input(TensorLiteral([0.5, 1, 2]))
  private static let features = RuleCase.Operand.input(TensorLiteral([1, -2, 0.5, 3], shape: [2, 2]))
  private static let ml = "ai.onnx.ml"

  /// Values of PyTorch 2.15 in double precision.
  static let losses: [RuleCase] = [
    RuleCase(
      title: "weights and an ignored class", type: "SoftmaxCrossEntropyLoss", attributes: ["ignore_index": .int(0)],
      operands: [.wave(1, [2, 3, 2]), classes, weights],
      outputs: [
        TensorLiteral([0.9119566954], shape: []),
        TensorLiteral(
          [
            -0.8637918836, -0.8255086748, -2.298250331, -1.313142582, -0.7381339951, -1.227533475, -1.898859087, -1.063453457,
            -0.3996839663, -1.771874825, -1.716306701, -0.7241742756,
          ], shape: [2, 3, 2]),
      ]),
    RuleCase(
      title: "each", type: "SoftmaxCrossEntropyLoss", attributes: ["reduction": .string("none")],
      operands: [.wave(1, [2, 3, 2]), classes],
      outputs: [TensorLiteral([0.7381339951, 0.8255086748, 0.3996839663, 1.771874825], shape: [2, 2])]),
    RuleCase(
      title: "a weighted sum", type: "NegativeLogLikelihoodLoss", attributes: ["reduction": .string("sum")],
      operands: [.wave(1, [2, 3, 2]), classes, weights], outputs: [TensorLiteral([-2.038012425], shape: [])]),
  ]

  /// Values of scikit-learn 1.9 and SciPy.
  static let linear: [RuleCase] = [
    RuleCase(
      title: "three classes", type: "LinearClassifier", domain: ml, version: 3,
      attributes: [
        "classlabels_ints": .ints([3, 5, 9]), "coefficients": .floats([0.5, -0.25, 1, 0.75, -0.5, 0.1]),
        "intercepts": .floats([0.1, -0.2, 0.3]), "post_transform": .string("SOFTMAX"),
      ], operands: [features], outputs: [TensorLiteral([3, 5], element: .i64), softmax]),
    RuleCase(
      title: "two classes", type: "LinearClassifier", domain: ml, version: 3,
      attributes: [
        "classlabels_ints": .ints([0, 1]), "coefficients": .floats([0.5, -0.25]), "intercepts": .floats([0.1]),
        "post_transform": .string("LOGISTIC"),
      ], operands: [features], outputs: [TensorLiteral([1, 0], element: .i64), logistic]),
    RuleCase(
      title: "two targets", type: "LinearRegressor", domain: ml, version: 3,
      attributes: ["targets": .int(2), "coefficients": .floats([0.5, -0.25, 1, 0.75]), "intercepts": .floats([0.1, -0.2])],
      operands: [features], outputs: [TensorLiteral([1.1, -0.7, -0.4, 2.55], shape: [2, 2])]),
    RuleCase(
      title: "sum of sizes", type: "Normalizer", domain: ml, version: 3, attributes: ["norm": .string("L1")], operands: [features],
      outputs: [TensorLiteral([1.0 / 3, -2.0 / 3, 1.0 / 7, 6.0 / 7], shape: [2, 2])]),
    RuleCase(
      title: "length, and a row of zeros", type: "Normalizer", domain: ml, version: 3, attributes: ["norm": .string("L2")],
      operands: [.input(TensorLiteral([3, -4, 0, 0], shape: [2, 2]))], outputs: [TensorLiteral([0.6, -0.8, 0, 0], shape: [2, 2])],
      checksGradient: false),
    RuleCase(
      title: "two features", type: "Scaler", domain: ml, version: 3, attributes: ["offset": .floats([1, 2]), "scale": .floats([2, 0.5])],
      operands: [features], outputs: [TensorLiteral([0, -2, -1, 0.5], shape: [2, 2])]),
    RuleCase(
      title: "missing numbers", type: "Imputer", domain: ml, version: 3,
      attributes: ["imputed_value_floats": .floats([7, 8]), "replaced_value_float": .float(.nan)],
      operands: [.input(TensorLiteral([.nan, 1, 2, .nan], shape: [2, 2]))], outputs: [TensorLiteral([7, 1, 2, 8], shape: [2, 2])],
      checksGradient: false),
    RuleCase(
      title: "columns 1, 1 and 0", type: "ArrayFeatureExtractor", domain: ml, version: 3,
      operands: [features, .known(TensorLiteral([1, 1, 0], shape: [1, 3], element: .i64))],
      outputs: [TensorLiteral([-2, -2, 1, 3, 3, 0.5], shape: [2, 3])]),
    RuleCase(
      title: "two of three categories", type: "OneHotEncoder", domain: ml, version: 3, attributes: ["cats_int64s": .ints([4, 2, 7])],
      operands: [.input(TensorLiteral([7, 3], element: .i64))], outputs: [TensorLiteral([0, 0, 1, 0, 0, 0], shape: [2, 3], element: .f64)]),
    RuleCase(
      title: "the first of one, two of another", type: "FeatureVectorizer", domain: ml, version: 3,
      attributes: ["inputdimensions": .ints([1, 3])], operands: [features, features],
      outputs: [TensorLiteral([1, 1, -2, 0, 0.5, 0.5, 3, 0], shape: [2, 4])]),
  ]

  private static let softmax = TensorLiteral(
    [0.7202384602756453, 0.11905461673799148, 0.16070692298636324, 0.04499851871545195, 0.8597396164163904, 0.09526186486815752],
    shape: [2, 3])
  private static let logistic = TensorLiteral(
    [0.24973989440488234, 0.7502601055951177, 0.598687660112452, 0.401312339887548], shape: [2, 2])

  /// Its formulas evaluated with NumPy.
  @Test func adam() throws {
    try RuleCase(
      title: "the fourth step", type: "Adam", domain: "ai.onnx.preview.training", version: 1,
      attributes: [
        "alpha": .float(0.95), "beta": .float(0.1), "epsilon": .float(1e-7), "norm_coefficient": .float(0.01),
        "norm_coefficient_post": .float(0.02),
      ],
      operands: [
        .input(TensorLiteral([0.1], shape: [])), .input(TensorLiteral([3], shape: [], element: .i64)), .input(TensorLiteral([1.2, -0.5])),
        .input(TensorLiteral([0.3, 0.4])), .input(TensorLiteral([0.1, -0.2])), .input(TensorLiteral([0.05, 0.02])),
      ],
      outputs: [
        TensorLiteral([0.9264025509464286, -0.18017898994538156]), TensorLiteral([0.1106, -0.17025]),
        TensorLiteral([0.0926096, 0.1424225]),
      ]
    ).check()
  }
}
