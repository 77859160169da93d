import GraphIR

/// Every operator that text forms, tests and the reference know; those that passes may build first.
public let allOperators: [any Operator.Type] = [
  Add.self, Broadcast.self, Cast.self, Constant.self, Element.self, Reshape.self, Sum.self,

  Abs.self, ArgMax.self, ArgMin.self, Clip.self, Concat.self, Convolve.self,
  ConvolutionFilterGradient.self, ConvolutionInputGradient.self, Cos.self, Divide.self, Elu.self, Equal.self, Erf.self, Exp.self,
  Expm1.self, Floor.self, Gather.self, Gelu.self, Greater.self, GreaterEqual.self, Huber.self, Identity.self, Iota.self, LeakyRelu.self,
  Less.self, LessEqual.self, Log.self, Log1p.self, LogSoftmax.self, LogicalAnd.self, LogicalNot.self, LogicalOr.self, MatMul.self,
  Max.self, Maximum.self, Mean.self, Min.self, Minimum.self, Multiply.self, Negate.self, Normalize.self, NotEqual.self, OneHot.self,
  PRelu.self, Pad.self, Pick.self, Power.self, Product.self, RandomNormal.self, RandomUniform.self, Reciprocal.self, Relu.self,
  Rsqrt.self, ScatterAdd.self, Select.self, Selu.self, Sigmoid.self, SigmoidCrossEntropy.self, Sign.self, Silu.self, Sin.self, Size.self,
  Slice.self, Softmax.self, SoftmaxCrossEntropy.self, Softplus.self, Sqrt.self, Square.self, StopGradient.self, Subtract.self, Tanh.self,
  TopK.self, Transpose.self,
]
