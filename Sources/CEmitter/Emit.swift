import Basics
import LoopIR

/// Emits a program as C: `NAME.c`, `NAME.h` and `gradc_model.h`. The same program gives the same bytes.
///
/// Throws a bug for a program that breaks the rules of the loop program (a name out of scope).
public func emitC(_ program: Program, options: EmitOptions = EmitOptions()) throws -> EmittedProject {
  var model = try ModelText(program, options: options)
  let parts = try sourceParts(&model)
  let source = parts.beginning + model.kernelTexts.map { $0 + "\n" }.joined() + parts.end
  let name = model.name
  return EmittedProject(
    name: name,
    files: [
      EmittedFile("\(name).c", source), EmittedFile("\(name).h", headerText(model)), EmittedFile("gradc_model.h", descriptorHeader),
    ].sorted { $0.path < $1.path },
    callsBLAS: options.blas == .cblas && !model.gemms.elements.isEmpty, parts: parts)
}
