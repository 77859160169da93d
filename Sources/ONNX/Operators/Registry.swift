import GraphIR
import Operators

/// Every ONNX operator that gradc reads: those of our operators, then compositions of several.
public let onnxRules: [ONNXRule] = allOperators.flatMap { $0.onnxRules } + compositions

private let compositions: [ONNXRule] = [
  attentionRules,
  batchNormalizationRules,
  causalConvolutionRules,
  centerCropPadRules,
  classificationLossRules,
  col2ImRules,
  constantRules,
  deformConvRules,
  featureScalingRules,
  fourierRules,
  gradientRules,
  gridRules,
  gruRules,
  ifRules,
  linearAttentionRules,
  linearModelRules,
  loopRules,
  lstmRules,
  nonMaxSuppressionRules,
  normalizationRules,
  optimizerStepRules,
  poolingRules,
  resizeRules,
  rnnRules,
  roiPoolingRules,
  rotaryEmbeddingRules,
  scanRules,
  selectionRules,
  sequenceRules,
  signalWindowRules,
  tileRules,
  triluRules,
].flatMap { $0 }
