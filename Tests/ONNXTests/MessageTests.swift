import ONNX
import Testing

/// The structures themselves.
@Suite struct MessageTests {
  @Test func numbersOfDataTypesAreONNXs() {
    #expect(TensorDataType.float.rawValue == 1)
    #expect(TensorDataType.bfloat16.rawValue == 16)
    #expect(TensorDataType.int4.rawValue == 22)
    #expect(TensorDataType.float6e3m2.rawValue == 28)
    #expect(TensorDataType.float8e4m3fnuz.name == "FLOAT8E4M3FNUZ")
  }

  @Test func numbersOfAttributeKindsAreONNXs() {
    #expect(AttributeMessage.Kind.graphs.rawValue == 10)
    #expect(AttributeMessage.Kind.sparseTensor.rawValue == 11)
    #expect(AttributeMessage.Kind.sparseTensors.rawValue == 12)
    #expect(AttributeMessage.Kind.type.rawValue == 13)
    #expect(AttributeMessage.Kind.types.rawValue == 14)
  }
}
