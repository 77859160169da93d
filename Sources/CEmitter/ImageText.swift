import Basics
import LoopIR

/// The names of an image model's preprocessing in C.
struct ImageText {
  let model: ModelText
  let images: Preprocessing.Images
  let labels: [String]

  var name: String { model.name }
  var macro: String { model.macro }
  private var input: Port { model.program.inputs[0] }

  /// Throws when the images do not fill the model's input exactly.
  init(_ model: ModelText, _ preprocessing: Preprocessing, _ images: Preprocessing.Images) throws {
    self.model = model
    self.images = images
    labels = preprocessing.targets.first?.labels ?? []
    guard model.program.inputs.count == 1, images.mean.count == images.channels, images.deviation.count == images.channels else {
      throw Diagnostic("the weights file holds a preprocessing of images for one input; the model has \(model.program.inputs.count)")
    }
    guard input.rowCount == images.channels * images.height * images.width, input.element.isFloat else {
      throw Diagnostic(
        "the weights file holds a preprocessing of images of \(images.channels) x \(images.height) x \(images.width), the model's input "
          + "'\(input.name)' takes \(input.dims); the weights belong to another model")
    }
  }

  /// The signature of `NAME_pixels`.
  private var signature: String { "void \(name)_pixels(const uint8_t *pixels, int n, \(input.element.cMemoryType) *input)" }
  private var isColour: Bool { images.channels == 3 }

  /// NAME_image.h: the size of an image, and what makes inputs of pixels.
  var header: String {
    var text = blockComment([
      "\(name)_image.h: images as decoders give them, made ready for the model \(model.program.name) as in the training",
      "that made the weights beside it. Other weights want their own: build it again after another training.", "", licence,
    ])
    let order = isColour ? "red, green, blue" : images.channels == 1 ? "a byte of grey" : "\(images.channels) bytes"
    text += """
      #ifndef \(macro)_IMAGE_H
      #define \(macro)_IMAGE_H

      #include <stdint.h>

      #ifdef __cplusplus
      extern "C" {
      #endif

      #define \(macro)_IMAGE_HEIGHT \(images.height)
      #define \(macro)_IMAGE_WIDTH \(images.width)
      #define \(macro)_IMAGE_CHANNELS \(images.channels)

      /* Fills the model's input from n images of that size: rows from the top, pixels from the left, for each \(order). */
      \(signature);

      """
    if !labels.isEmpty {
      text += """

        /* The classes, in the order of the model's probabilities. */
        #define \(macro)_LABELS \(labels.count)
        extern const char *const \(name)_labels[\(macro)_LABELS];

        """
    }
    return text + "\n#ifdef __cplusplus\n}\n#endif\n#endif\n"
  }

  /// NAME_image.c. The arithmetic is that of the training: in double precision, rounded once.
  var source: String {
    var lines = CLines()
    let isPlain = images.mean.allSatisfy { $0 == 0 } && images.deviation.allSatisfy { $0 == 1 }
    lines.block(signature) { lines in
      lines.line("const int area = \(macro)_IMAGE_HEIGHT * \(macro)_IMAGE_WIDTH;")
      lines.block("for (int i = 0; i < n; ++i)") { lines in
        lines.block("for (int at = 0; at < area; ++at)") { lines in
          lines.block("for (int c = 0; c < \(macro)_IMAGE_CHANNELS; ++c)") { lines in
            lines.line("const double value = \(images.scale == 1 ? "" : floatText(images.scale, .f64) + " * ")*pixels++;")
            let element = images.channelsLast ? "at * \(macro)_IMAGE_CHANNELS + c" : "c * area + at"
            let result = isPlain ? "value" : "(value - mean[c]) / deviation[c]"
            lines.line("input[\(element)] = (\(input.element.cMemoryType))(\(result));")
          }
        }
        lines.line("input += area * \(macro)_IMAGE_CHANNELS;")
      }
    }
    var text = blockComment(["\(name)_image.c: images made ready for the model \(model.program.name) as in its training.", "", licence])
    text += "#include \"\(name)_image.h\"\n\n#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n"
    if !isPlain {
      for (what, values) in [("mean", images.mean), ("deviation", images.deviation)] {
        let numbers = values.map { floatText($0, .f64) }.joined(separator: ", ")
        text += "static const double \(what)[\(macro)_IMAGE_CHANNELS] = {\(numbers)};\n"
      }
      text += "\n"
    }
    text += lines.text
    if !labels.isEmpty {
      text += "\nconst char *const \(name)_labels[\(macro)_LABELS] = {\n"
      for label in labels { text += "  \(stringLiteral(label)),\n" }
      text += "};\n"
    }
    return text
  }
}
