// What the library's functions take and give, so that `import Gradc` is enough: definitions, layers and operators, losses and optimizers,
// graphs, programs, emitted C. `ModelLanguage`, which reads model files and has a syntax tree of its own, is imported by its own name.
@_exported import Basics
@_exported import CEmitter
@_exported import GraphIR
@_exported import Layers
@_exported import LoopIR
@_exported import Operators
@_exported import Optimizers
@_exported import Toolchain
@_exported import Training
