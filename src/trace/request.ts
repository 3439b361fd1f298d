import { isPodReady } from '../model/conditions.ts';
import { PodnetError } from '../model/errors.ts';
import { formatIp, tryParseIp } from '../model/ip.ts';
import type { Node, Pod, Service } from '../model/objects.ts';
import { compileLabelSelector, matchesSelector } from '../model/selectors.ts';
import type { Protocol } from './trace.ts';
import { podAddresses } from '../model/addresses.ts';
import { type TraceView } from './view.ts';

/**
 * What a person types. Sources: `world`, `node/NAME`, `POD`, `NAMESPACE/POD`, `pod/NAME`, `deploy/NAME`, each kind also behind a namespace
 * (`shop/deploy/web`). Destinations: the same but the world, `svc/NAME`, `svc/NAME.NAMESPACE`, a Service's bare name, a DNS name (`api.shop`,
 * `api.shop.svc.cluster.local`) or an address; with `:PORT`, a number or the name of a Service's port.
 */
export interface TraceRequest {
  readonly source: string;
  readonly destination: string;
  /** Of names that do not say theirs; `default` unless told. */
  readonly namespace?: string;
  /** `tcp` unless told. */
  readonly protocol?: Protocol;
  /** Of a Service: the endpoint to follow, `ADDRESS:PORT`; the first unless told. */
  readonly endpoint?: string;
}

type NamedKind = 'pod' | 'service' | 'deployment';

/** One argument, taken apart but not yet looked up. */
export interface ParsedTarget {
  readonly text: string;
  readonly kind: NamedKind | 'address' | 'unknown';
  readonly namespace?: string;
  readonly name: string;
  readonly port?: string;
}

const KINDS: Readonly<Record<string, NamedKind>> = {
  po: 'pod',
  pod: 'pod',
  pods: 'pod',
  svc: 'service',
  service: 'service',
  services: 'service',
  deploy: 'deployment',
  deployment: 'deployment',
  deployments: 'deployment',
};

/** Takes one argument apart. Throws `PodnetError`. */
export function parseTarget(text: string): ParsedTarget {
  if (tryParseIp(text)) return { text, kind: 'address', name: text };
  const bracketed = /^\[([^\]]*)\](?::([A-Za-z0-9-]+))?$/.exec(text);
  const [, name = '', port] = bracketed ?? /^([^:]*)(?::([A-Za-z0-9-]+))?$/.exec(text) ?? [];
  const withPort = port === undefined ? {} : { port };
  if (tryParseIp(name)) return { text, kind: 'address', name, ...withPort };
  const parts = name.split('/');
  const [first = '', second = '', third = ''] = parts;
  const wellFormed =
    parts.length <= 3 && parts.every((part) => /^[A-Za-z0-9_](?:[-A-Za-z0-9_.]*)$/.test(part));
  if (!wellFormed || bracketed) {
    throw new PodnetError(`${JSON.stringify(text)} names no pod, Service or address`, {
      code: 'trace-target-malformed',
      where: text,
      fix: 'Write POD, NAMESPACE/POD, deploy/NAME, svc/NAME, NAME.NAMESPACE or an address, then :PORT.',
    });
  }
  if (parts.length === 1) return { text, kind: 'unknown', name: first, ...withPort };
  const kind = KINDS[parts.length === 2 ? first : second];
  if (parts.length === 2 && kind === undefined) {
    return { text, kind: 'unknown', namespace: first, name: second, ...withPort };
  }
  if (kind === undefined) {
    throw new PodnetError(
      `${JSON.stringify(second)} in ${JSON.stringify(text)} is no kind that can be traced`,
      {
        code: 'trace-target-malformed',
        where: text,
        fix: 'The kinds are pod, deploy and svc.',
      },
    );
  }
  return parts.length === 2
    ? { text, kind, name: second, ...withPort }
    : { text, kind, namespace: first, name: third, ...withPort };
}

/** The pod a trace starts from, which has an address. Throws `PodnetError`. */
export function resolveSource(view: TraceView, text: string, namespace: string): Pod {
  const target = parseTarget(text);
  if (target.kind === 'address') {
    const pod = view.podByAddress(formatIp(tryParseIp(target.name) ?? { family: 4, value: 0n }));
    if (pod !== undefined) return pod;
    throw new PodnetError(`No pod has the address ${target.name}`, {
      code: 'trace-unknown-pod',
      where: text,
      fix: 'See the pods’ addresses with: kubectl get pods -A -o wide',
    });
  }
  if (target.kind === 'service') {
    throw new PodnetError(`A trace starts from a pod, not from the Service ${target.name}`, {
      code: 'trace-source-not-a-pod',
      where: text,
      fix: 'Name one of its pods, or deploy/NAME.',
    });
  }
  const where = target.namespace ?? namespace;
  const pod =
    target.kind === 'deployment'
      ? podOfDeployment(view, where, target.name)
      : findPod(view, where, target.name);
  if (pod === undefined) throw unknownTarget(view, target, where, ['pod', 'deployment']);
  return requireAddress(pod);
}

/**
 * The node that `node/NAME`, its address or its bare name means, where no pod or Service is called so. Throws
 * `PodnetError` when it must be a node and there is none.
 */
export function nodeOfTarget(view: TraceView, target: ParsedTarget, inNamespace: string): Node | undefined {
  const { kind, namespace, name } = target;
  const { nodes } = view;
  if (kind === 'address') return view.nodeByAddress(name);
  if (kind !== 'unknown') return undefined;
  const node = nodes.find(({ metadata }) => metadata?.name === name);
  if (namespace === undefined) {
    const isOther = findPod(view, inNamespace, name) ?? findService(view, inNamespace, name);
    return isOther === undefined ? node : undefined;
  }
  if (!NODE_KINDS.has(namespace) || node !== undefined) return NODE_KINDS.has(namespace) ? node : undefined;
  if (findPod(view, namespace, name) !== undefined) return undefined;
  throw new PodnetError(`There is no node ${name}`, {
    code: 'trace-unknown-node',
    where: target.text,
    fix: `The nodes are: ${nodes.map(({ metadata }) => metadata?.name).join(', ') || 'none'}.`,
  });
}

const NODE_KINDS: ReadonlySet<string> = new Set(['no', 'node', 'nodes']);

export type ResolvedDestination =
  | { readonly kind: 'pod'; readonly pod: Pod; readonly port: string | undefined }
  | { readonly kind: 'node'; readonly node: Node; readonly port: string | undefined }
  | { readonly kind: 'service'; readonly service: Service; readonly port: string | undefined }
  | { readonly kind: 'address'; readonly address: string; readonly port: string | undefined }
  | { readonly kind: 'name'; readonly name: string; readonly port: string | undefined };

/** What a destination means among the objects. Throws `PodnetError` when that is nothing, or more than one thing. */
export function resolveDestination(view: TraceView, text: string, namespace: string): ResolvedDestination {
  const target = splitServiceName(parseTarget(text));
  const { port } = target;
  if (target.kind === 'address') {
    return { kind: 'address', address: formatIp(tryParseIp(target.name) ?? { family: 4, value: 0n }), port };
  }
  const node = nodeOfTarget(view, target, namespace);
  if (node !== undefined) return { kind: 'node', node, port };
  const where = target.namespace ?? namespace;
  if (target.kind === 'deployment') {
    const pod = podOfDeployment(view, where, target.name);
    if (pod === undefined) throw unknownTarget(view, target, where, ['deployment']);
    return { kind: 'pod', pod: requireAddress(pod), port };
  }
  const pod = target.kind === 'service' ? undefined : findPod(view, where, target.name);
  const service = target.kind === 'pod' ? undefined : findService(view, where, target.name);
  if (pod !== undefined && service !== undefined) {
    throw new PodnetError(`${where}/${target.name} is a pod and a Service`, {
      code: 'trace-target-ambiguous',
      fix: `Write pod/${target.name} or svc/${target.name}.`,
    });
  }
  if (pod !== undefined) return { kind: 'pod', pod: requireAddress(pod), port };
  if (service !== undefined) return { kind: 'service', service, port };
  const isName = target.kind === 'unknown' && target.namespace === undefined && target.name.includes('.');
  if (isName) return { kind: 'name', name: target.name, port };
  const kinds: NamedKind[] = target.kind === 'unknown' ? ['pod', 'service'] : [target.kind];
  throw unknownTarget(view, target, where, kinds);
}

/** `svc/NAME.NAMESPACE`, also with `.svc` and more: no Service's own name has a dot (RFC 1035, 2.3.1: one label). */
function splitServiceName(target: ParsedTarget): ParsedTarget {
  if (target.kind !== 'service' || target.namespace !== undefined) return target;
  const [, name, namespace] = /^([^.]+)\.([^.]+)(?:\.svc(?:\..*)?)?$/.exec(target.name) ?? [];
  return name === undefined || namespace === undefined ? target : { ...target, name, namespace };
}

function findPod({ pods }: TraceView, namespace: string, name: string): Pod | undefined {
  return pods.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name);
}

function findService({ services }: TraceView, namespace: string, name: string): Service | undefined {
  return services.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name);
}

/** A ready pod of the Deployment, the first by name; one that is not ready when there is no better. */
function podOfDeployment({ deployments, pods }: TraceView, namespace: string, name: string): Pod | undefined {
  const deployment = deployments.find(
    ({ metadata }) => metadata?.namespace === namespace && metadata.name === name,
  );
  if (deployment === undefined) return undefined;
  const selector = compileLabelSelector(deployment.spec?.selector);
  const own = pods
    .filter(
      ({ metadata }) =>
        metadata?.namespace === namespace &&
        metadata.deletionTimestamp === undefined &&
        selector !== undefined &&
        matchesSelector(selector, metadata.labels),
    )
    .toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const pod = own.find((each) => isPodReady(each) && podAddresses(each).length > 0) ?? own[0];
  if (pod !== undefined) return pod;
  throw new PodnetError(`Deployment ${namespace}/${name} has no pods`, {
    code: 'trace-deployment-without-pods',
    where: `Deployment ${namespace}/${name} spec.replicas`,
    fix: `See why with: kubectl describe deployment -n ${namespace} ${name}`,
  });
}

function requireAddress(pod: Pod): Pod {
  if (podAddresses(pod).length > 0) return pod;
  const { namespace, name } = pod.metadata ?? {};
  const waiting = pod.status?.containerStatuses?.find(({ state }) => state?.waiting)?.state?.waiting?.reason;
  const state = [pod.status?.phase ?? 'not scheduled', waiting].filter(Boolean).join(', ');
  throw new PodnetError(`Pod ${namespace}/${name} has no address yet (${state})`, {
    code: 'trace-pod-without-address',
    where: `Pod ${namespace}/${name} status.podIP`,
    fix: `See why with: kubectl describe pod -n ${namespace} ${name}`,
  });
}

const LISTED = 12;

function unknownTarget(
  view: TraceView,
  { name }: ParsedTarget,
  namespace: string,
  kinds: readonly NamedKind[],
): PodnetError {
  const objects = { pod: view.pods, service: view.services, deployment: view.deployments };
  const prefix = { pod: '', service: 'svc/', deployment: 'deploy/' };
  const known = kinds.flatMap((kind) =>
    objects[kind]
      .filter(({ metadata }) => metadata?.namespace === namespace)
      .map(({ metadata }) => `${prefix[kind]}${metadata?.name ?? ''}`),
  );
  const elsewhere = kinds.flatMap((kind) =>
    objects[kind]
      .filter(({ metadata }) => metadata?.name === name && metadata.namespace !== namespace)
      .map(({ metadata }) => `${metadata?.namespace}/${kind === 'pod' ? '' : prefix[kind]}${name}`),
  );
  const words = { pod: 'pod', service: 'Service', deployment: 'Deployment' };
  const listed = known.toSorted().slice(0, LISTED).join(', ');
  const more = known.length > LISTED ? ` and ${known.length - LISTED} more` : '';
  return new PodnetError(
    `There is no ${kinds.map((kind) => words[kind]).join(' or ')} ${name} in namespace ${namespace}`,
    {
      code: 'trace-unknown-target',
      where: `namespace ${namespace}`,
      fix:
        elsewhere.length > 0
          ? `Did you mean ${elsewhere.join(' or ')}?`
          : known.length > 0
            ? `There are: ${listed}${more}.`
            : `The namespace has none; see: kubectl get pods,services -A`,
    },
  );
}
