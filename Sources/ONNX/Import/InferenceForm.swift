import Basics

extension ONNXModel {
  /// What a model that is to be trained has lost by being exported for inference, with the call that keeps it; nil where there is no sign of
  /// that. PyTorch's exporters fold batch normalisation into the convolution before it: the older one gives the results names of its own
  /// (`onnx::Conv_17`), the newer one the names of the module (`conv1.weight`), and the node the name of its operator with a number. They
  /// leave out dropout where the model is in evaluation mode, and of that there is no sign.
  public func inferenceForm() -> String? {
    let nodes = message.graph.node
    guard message.producerName == "pytorch", !nodes.contains(where: { $0.opType == "BatchNormalization" }) else { return nil }
    let folded = nodes.filter { node in
      guard ["Conv", "ConvTranspose", "Gemm"].contains(node.opType), node.input.count > 2 else { return false }
      if node.input[1].hasPrefix("onnx::\(node.opType)_"), tensors[node.input[1]] != nil { return true }
      let numbered = node.name.hasPrefix("node_\(node.opType)_") && node.name.dropFirst(6 + node.opType.count).allSatisfy(\.isNumber)
      return numbered && node.output.first?.hasPrefix("getitem") ?? false
    }
    guard let first = folded.first else { return nil }
    let count = folded.count == 1 ? "'\(first.name)'" : "\(folded.count) nodes ('\(first.name)' …)"
    return "the model was exported for inference: batch normalisation is folded into \(count), and dropout may be gone. It can be trained "
      + "so, as another model; to keep both, export again with torch.onnx.export(model.train(), …, optimize=False), or where that fails "
      + "torch.onnx.export(model.train(), …, dynamo=False, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)"
  }
}
