/** What it takes to put Services into the kernel, podnet's table against kube-proxy's shape through `nft -f -`. */
import { createNetns } from '../src/kernel/netns.ts';
import { openNftables } from '../src/kernel/nftables/nftables.ts';
import { findProgram } from '../src/kernel/process.ts';
import type { EndpointSlice } from '../src/model/objects.ts';
import { createNftablesBackend } from '../src/services/backends/nftables.ts';
import { createServiceCompiler } from '../src/services/compile.ts';
import { UNKNOWN_NODE } from '../src/services/plan.ts';
import type { BenchRow } from './row.ts';
import {
  ENDPOINTS,
  benchAddress as address,
  benchService as service,
  benchSlice as slice,
  benchTarget as target,
  median,
} from './service-objects.ts';
import {
  type ShapeService,
  loadKubeProxyShape,
  moveKubeProxyEndpoint,
} from './services/kube-proxy-nftables.ts';

const SERVICES = 10_000;
/** A large cluster's. */
const MANY = 50_000;
const CHANGES = 300;
const LOADS = 5;
/** kube-proxy's shape takes tens of seconds at full size: it is measured at these sizes, and scaled up. */
const PEER_SERVICES = [50, 500];
const PEER_CHANGES = 20;

export async function rows(): Promise<BenchRow[]> {
  const own = measureOwn();
  const peers = findProgram('nft') === undefined ? [] : PEER_SERVICES.map(measurePeer);
  const peer = peers.at(-1);
  // The least that any of the sizes gives in proportion; in truth its time grows faster than its Services.
  const scaled = peer && Math.min(...peers.map(({ loadMs, services }) => (loadMs * SERVICES) / services));
  const sizes = peers.map(({ loadMs, services }) => `${services} in ${loadMs.toFixed(0)} ms`).join(', ');
  const loadedWith =
    scaled === undefined
      ? undefined
      : `nft -f - in kube-proxy's shape: ${sizes}; in proportion ≥ ${scaled.toFixed(0)} ms`;
  const changedWith =
    peer && `nft -f - in kube-proxy's shape among ${peer.services}: ${peer.changeMs.toFixed(1)} ms`;
  const missing = 'nft is not installed';
  const row = (
    figure: string,
    value: number,
    limitMs: number,
    compared: { words?: string | undefined; ms?: number | undefined },
  ): BenchRow => ({
    figure,
    value,
    unit: 'ms',
    comparedWith: compared.words ?? missing,
    ...(compared.ms === undefined ? {} : { ratio: value / compared.ms }),
    target: `≤ ${limitMs} ms`,
    ok: value <= limitMs,
  });
  return [
    row(`load ${SERVICES} Services × ${ENDPOINTS} endpoints, median`, own.loadMs, 500, {
      words: loadedWith,
      ms: scaled,
    }),
    row(`load ${MANY} Services × ${ENDPOINTS} endpoints`, own.manyMs, 2000, {
      words: loadedWith,
      ms: scaled && (scaled * MANY) / SERVICES,
    }),
    row(`change 1 endpoint among ${SERVICES} Services, median`, own.changeMs, 0.5, {
      words: changedWith,
      ms: peer?.changeMs,
    }),
    row('add or remove 1 endpoint, median', own.scaleMs, 0.5, { words: changedWith, ms: peer?.changeMs }),
  ];
}

/** From objects to the kernel: compile and apply. */
function measureOwn(): { loadMs: number; changeMs: number; scaleMs: number; manyMs: number } {
  const netns = createNetns();
  const nftables = openNftables({ netns });
  const make = (count: number) =>
    Array.from({ length: count }, (_, index) => [service(index), slice(index)] as const);
  const few = make(SERVICES);
  const load = (objects = few) => {
    const compiler = createServiceCompiler({ node: { ...UNKNOWN_NODE, name: 'node-1' } });
    const backend = createNftablesBackend({ nftables });
    for (const [of, endpoints] of objects) {
      compiler.setService(of);
      compiler.setSlice(endpoints);
    }
    compiler.takeChange();
    backend.sync(compiler.plan);
    return { compiler, backend };
  };
  let { compiler, backend } = load();
  const loads = Array.from({ length: LOADS }, () => {
    backend.cleanup();
    return time(() => ({ compiler, backend } = load()));
  });
  const change = (next: EndpointSlice): number =>
    time(() => {
      compiler.setSlice(next);
      backend.apply(compiler.takeChange());
    });
  const changes: number[] = [];
  const scales: number[] = [];
  for (let index = 0; index < CHANGES; index++) {
    changes.push(change(slice(index, { moved: true })), change(slice(index)));
    scales.push(change(slice(index, { count: ENDPOINTS - 1 })), change(slice(index)));
  }
  const many = make(MANY);
  backend.cleanup();
  const manyMs = time(() => load(many));
  nftables.close();
  netns.close();
  return { loadMs: median(loads), changeMs: median(changes), scaleMs: median(scales), manyMs };
}

interface Peer {
  readonly services: number;
  readonly loadMs: number;
  readonly changeMs: number;
}

/** How long nft takes for kube-proxy's shape. */
function measurePeer(services: number): Peer {
  const netns = createNetns();
  const peers = Array.from({ length: services }, (_, index) => peerService(index));
  const loadMs = time(() => loadKubeProxyShape(netns, peers));
  const changes = Array.from({ length: PEER_CHANGES }, (_, index) =>
    time(() => moveKubeProxyEndpoint(netns, peerService(index), target(index, 200))),
  );
  netns.close();
  return { services, loadMs, changeMs: median(changes) };
}

function peerService(index: number): ShapeService {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, endpoint) => target(index, endpoint));
  return { name: `service-${index}`, address: address(index), port: 80, endpoints, targetPort: 8080 };
}

function time(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}
