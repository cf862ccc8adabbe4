// Where the nodes and the edges of a network stand: nodes in columns, and between two columns a small plot per edge.
import { type Edge, type Layer, edgeLayers, exists } from "./network";

export const PLOT_WIDTH = 54;
export const PLOT_HEIGHT = 32;
const GAP = 8;
const LABELS = 170; // for the names of the inputs
const MOST_IN_COLUMN = 24; // plots above each other; more get further columns

export interface PlacedEdge {
  edge: Edge;
  x: number;
  y: number;
  group: number; // number of the layer, whose plots share a scale
}
export interface PlacedNode {
  layer: number;
  node: number;
  x: number;
  y: number;
}
export interface Layout {
  edges: PlacedEdge[];
  nodes: PlacedNode[];
  from: Map<string, PlacedNode>;
  width: number;
  height: number;
}

export const nodeKey = (layer: number, node: number): string => `${layer},${node}`;

/** For each sum of a layer of edges, the node that it becomes: products have several sums. */
export function sumNodes(network: Layer[]): number[][] {
  const found: number[][] = [];
  network.forEach((layer, place) => {
    if (layer.kind !== "edges") return;
    const next = network[place + 1];
    const own = Array.from({ length: layer.outputs }, (_, o) => o);
    if (next?.kind === "products") {
      next.groups.forEach((group, node) => group.forEach((sum) => (own[sum] = node)));
    }
    found.push(own);
  });
  return found;
}

export function layout(network: Layer[]): Layout {
  const layers = edgeLayers(network);
  const sums = sumNodes(network);
  const edges: PlacedEdge[] = [];
  const columns: { first: number; rows: number; count: number }[] = [];
  let x = LABELS;
  const starts: number[] = [];
  layers.forEach((layer, l) => {
    const own: Edge[] = [];
    for (let i = 0; i < layer.inputs; i++)
      for (let o = 0; o < layer.outputs; o++) if (exists(layer, i, o)) own.push([l, i, o]);
    const count = Math.max(1, Math.ceil(own.length / MOST_IN_COLUMN));
    const rows = Math.max(1, Math.ceil(own.length / count));
    starts.push(x);
    columns.push({ first: edges.length, rows, count });
    own.forEach((edge, n) =>
      edges.push({
        edge,
        x: x + 60 + Math.floor(n / rows) * (PLOT_WIDTH + 26),
        y: (n % rows) * (PLOT_HEIGHT + GAP) + (count > 1 && Math.floor(n / rows) % 2 ? (PLOT_HEIGHT + GAP) / 2 : 0),
        group: l,
      }),
    );
    x += 120 + count * (PLOT_WIDTH + 26);
  });
  starts.push(x);
  const nodesIn = [layers[0]!.inputs, ...sums.map((own) => 1 + Math.max(...own))];
  const height =
    20 + Math.max(...columns.map((one) => one.rows * (PLOT_HEIGHT + GAP) + (one.count > 1 ? 20 : 0)), 60);
  columns.forEach((column, l) => {
    const shift = (height - column.rows * (PLOT_HEIGHT + GAP)) / 2;
    for (const one of edges) if (one.group === l) one.y += shift;
  });
  const nodes: PlacedNode[] = [];
  const from = new Map<string, PlacedNode>();
  nodesIn.forEach((count, l) => {
    // A node without edges is not drawn; an input stands at the height of its edges where there is room.
    const used: number[] = [];
    for (let n = 0; n < count; n++) {
      const leaves = edges.some((one) => one.edge[0] === l && one.edge[1] === n);
      const enters = l > 0 && edges.some((one) => one.edge[0] === l - 1 && sums[l - 1]![one.edge[2]] === n);
      if (l === nodesIn.length - 1 || leaves || enters) used.push(n);
    }
    used.forEach((n, place) => {
      const node = { layer: l, node: n, x: starts[l]!, y: (height * (place + 0.5)) / used.length };
      nodes.push(node);
      from.set(nodeKey(l, n), node);
    });
  });
  return { edges, nodes, from, width: x + 140, height };
}
