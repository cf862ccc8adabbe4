// Made by tools/edit_kinds.py from the table of edits in interpret/edits.py.
import type { Edge } from "./network";

export type EditFields =
  | { kind: "fix"; edge: Edge; function: string; constants?: number[]; refit?: number; train?: string }
  | { kind: "free"; edge: Edge; refit?: number; train?: string }
  | { kind: "remove_edge"; edge: Edge; refit?: number; train?: string }
  | { kind: "remove_node"; node: number[]; refit?: number; train?: string }
  | { kind: "drag"; edge: Edge; points: [number, number][]; width?: number; refit?: number; train?: string }
  | { kind: "straighten"; edge: Edge; range?: [number, number]; refit?: number; train?: string }
  | { kind: "flatten"; edge: Edge; range?: [number, number]; refit?: number; train?: string }
  | { kind: "shape"; edge: Edge; shape: string; refit?: number; train?: string }
  | { kind: "snap"; edge: Edge; constant: string; value: number; refit?: number; train?: string }
  | { kind: "merge"; inputs: number[]; refit?: number; train?: string }
  | { kind: "add_splines"; where?: Edge[]; refit?: number; train?: string }
  | { kind: "add_products"; arities: number[]; layer?: number; seed?: number; refit?: number; train?: string }
  | { kind: "refit"; refit: number; train?: string };
