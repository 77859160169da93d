import Layers
import ModelLanguage
import Testing

/// Layers of images as they are written: sizes and paddings, errors with their places.
@Suite struct ImageLayerTests {
  private func image(_ lines: String..., layout: String = "") -> String {
    "model m {\n  input x: f32[N, 3, 32, 32]\n" + layout + lines.map { "  \($0)\n" }.joined() + "  output y\n}\n"
  }

  private func outputType(_ text: String) throws -> String {
    let builder = try built(ModelFile(text: text, file: "m.gradc"))
    return builder.type(builder.outputs[0].value).description
  }

  @Test(arguments: [
    ("y = x |> conv2d(64, kernel: 3, padding: same) |> batch_norm |> relu", "f32[N, 64, 32, 32]"),
    ("y = conv2d(x, 8, [3, 5], stride: [2, 1], padding: [1, 0, 2, 2], initializer: he_normal)", "f32[N, 8, 16, 32]"),
    ("y = x |> conv2d(8, 3, padding: 1, dilation: 2, activation: relu) |> max_pool2d(2)", "f32[N, 8, 15, 15]"),
    ("y = x |> depthwise_conv2d(3, padding: same) |> conv2d(16, 1) |> global_avg_pool2d", "f32[N, 16]"),
    ("y = x |> conv_transpose2d(8, 2, stride: 2) |> avg_pool2d(3, stride: 2, padding: 1, include_padding: true)", "f32[N, 8, 32, 32]"),
    ("y = x |> upsample2d(scale: 1.5, mode: bilinear) |> zero_pad2d([0, 1]) |> prelu(per_channel: true)", "f32[N, 3, 48, 50]"),
    ("y = relu(conv2d(x, 3, kernel: 3, padding: same) + x) |> flatten |> dense(10)", "f32[N, 10]"),
  ]) func shapes(_ line: String, _ type: String) throws { #expect(try outputType(image(line)) == type) }

  @Test func theLayoutIsOfTheWholeModel() throws {
    let text = "model m {\n  layout channels_last\n  input x: f32[N, 9, 8, 3]\n  y = x |> conv2d(5, 3) |> max_pool2d\n  output y\n}\n"
    #expect(try outputType(text) == "f32[N, 3, 3, 5]")
    #expect(try parameters(text) == ["conv2d1.weight [5, 3, 3, 3]", "conv2d1.bias [5]"])
  }

  @Test func errorsPointAtWhatIsWrong() {
    #expect(
      rendered(image("y = x |> conv2d(8, 3, padding: smae)")) == #"""
        m.gradc:3:34: error: argument 'padding' of 'conv2d' must be same, valid, a whole number, or a list of one for each axis or side; found `smae`
            y = x |> conv2d(8, 3, padding: smae)
                                           ^~~~
                                           same
        """#)
    #expect(
      rendered(image("y = x |> conv2d(8, 3.5)")) == #"""
        m.gradc:3:22: error: argument 'kernel' of 'conv2d' must be a whole number, or a list of one for each axis; found the number 3.5
            y = x |> conv2d(8, 3.5)
                               ^~~
        """#)
    #expect(
      rendered(image("y = x |> conv2d(8, 40)")) == #"""
        m.gradc:3:12: error: layer 'conv2d1': convolution: a kernel of 40 spans 40 elements, but spatial axis 0 has 32; use a smaller kernel or more padding
            y = x |> conv2d(8, 40)
                     ^~~~~~~~~~~~~
        """#)
    #expect(
      rendered(image("y = x |> conv2d(8, [3, 3, 3])")).contains("'kernel' takes one number for all axes or a list of 2, got [3, 3, 3]"))
    #expect(
      rendered(image("y = x |> zero_pad2d(1000000)")).contains(
        "layer 'zero_pad2d1': f32[N, 3, 2000032, 2000032] has more than 2^40 elements"))
    #expect(rendered(image("y = x |> conv2d(9, 3, groups: 2)")).contains("3 input channels cannot be cut into 2 groups"))
  }
}
