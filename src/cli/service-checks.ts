/** What can be wrong with a Service as its objects say it, from the object itself to its endpoints. */
import { isPodReady } from '../model/conditions.ts';
import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { type Pod, type Service, objectKey } from '../model/objects.ts';
import type { TraceView } from '../trace/view.ts';

/** One question about a Service and its answer. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'wrong' | 'skipped';
  /** What was found. */
  readonly text: string;
  readonly fix?: string;
}

const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });
const wrong = (name: string, text: string, fix: string): Check => ({ name, state: 'wrong', text, fix });
const skipped = (name: string, text: string): Check => ({ name, state: 'skipped', text });

/** In the order in which one depends on the other. */
export function checkObjects(view: TraceView, service: Service): readonly Check[] {
  const object = checkRefusals(view, service);
  if (view.clusterDns.includes(service.spec?.clusterIP ?? '')) {
    const why = 'every node answers on this address itself';
    return [object, skipped('pods', why), skipped('endpoints', why)];
  }
  if (service.spec?.type === 'ExternalName') {
    const why = `DNS answers with ${service.spec.externalName}, and pods connect there themselves`;
    return [object, skipped('pods', why), skipped('endpoints', why)];
  }
  return [object, ...checkPods(view, service), checkEndpoints(view, service)];
}

function checkRefusals(view: TraceView, service: Service): Check {
  const key = objectKey(service);
  const [node] = view.nodes;
  const ignored = view.servicePlan(node?.metadata?.name ?? '').ignored.get(key) ?? [];
  const refused = ignored.find((each) => each.refused);
  if (refused !== undefined) {
    const { object, field, reason } = refused;
    return wrong(
      'object',
      `${object.kind} ${object.key} ${field} ${reason}`,
      `Correct it: kubectl edit ${object.kind.toLowerCase()} -n ${key.split('/')[0]} ${object.key.split('/')[1]}`,
    );
  }
  const { type = 'ClusterIP', clusterIP } = service.spec ?? {};
  const left = ignored.map(({ field, reason }) => `${field} ${reason}`).join(', ');
  return ok(
    'object',
    `${type}${clusterIP ? ` at ${clusterIP}` : ''}${left === '' ? '' : `; left alone: ${left}`}`,
  );
}

function checkPods(view: TraceView, service: Service): readonly Check[] {
  const { spec, metadata } = service;
  const selector = Object.entries(spec?.selector ?? {});
  const text = selector.map(([label, value]) => `${label}=${value}`).join(',');
  if (selector.length === 0) {
    const why = 'spec.selector is empty: its EndpointSlices are made by hand';
    return [skipped('pods', why), skipped('ports', why)];
  }
  const near = view.pods.filter((pod) => pod.metadata?.namespace === metadata?.namespace);
  const selected = near.filter(({ metadata: of }) =>
    selector.every(([label, value]) => of?.labels?.[label] === value),
  );
  if (selected.length === 0) {
    const values = [
      ...new Set(
        near.flatMap(({ metadata: of }) => selector.flatMap(([label]) => of?.labels?.[label] ?? [])),
      ),
    ];
    const there =
      values.length > 0 ? ` Pods there have ${selector[0]?.[0]}: ${values.slice(0, 8).join(', ')}.` : '';
    return [
      wrong(
        'pods',
        `no pod has the labels of spec.selector, ${text}`,
        `Give pods these labels, or the Service theirs.${there} See: kubectl get pods -n ${metadata?.namespace} --show-labels`,
      ),
    ];
  }
  return [ok('pods', `${selected.length} with ${text}`), checkPorts(service, selected)];
}

/** Whether the pods declare what the Service sends to. What they do not declare may be listened on all the same. */
function checkPorts({ spec, metadata }: Service, pods: readonly Pod[]): Check {
  for (const [index, { targetPort, port, protocol = 'TCP' }] of (spec?.ports ?? []).entries()) {
    const wanted = targetPort ?? port;
    const declared = pods.flatMap(({ spec: pod }) =>
      [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].flatMap(({ ports = [] }) => ports),
    );
    if (declared.length === 0 && typeof wanted === 'number') continue;
    const found = declared.some(
      (each) =>
        (each.protocol ?? 'TCP') === protocol &&
        (typeof wanted === 'number' ? each.containerPort : each.name) === wanted,
    );
    if (found) continue;
    const list = declared.map(
      (each) => `${each.containerPort}/${each.protocol ?? 'TCP'}${each.name ? ` (${each.name})` : ''}`,
    );
    // A connection tells whether it is listened on.
    if (typeof wanted === 'number')
      return skipped(
        'ports',
        `${port} → ${wanted}/${protocol}, which no container declares: ${[...new Set(list)].join(', ')}`,
      );
    return wrong(
      'ports',
      `spec.ports[${index}].targetPort is ${wanted}/${protocol}, and no container declares that`,
      `Containers declare ${[...new Set(list)].join(', ') || 'none'}: kubectl edit service -n ${metadata?.namespace} ${metadata?.name}`,
    );
  }
  return ok(
    'ports',
    (spec?.ports ?? []).map(({ port, targetPort }) => `${port} → ${targetPort ?? port}`).join(', '),
  );
}

function checkEndpoints(view: TraceView, service: Service): Check {
  const key = objectKey(service);
  const endpoints = view.endpointSlices
    .filter((slice) => serviceKeyOf(slice) === key)
    .flatMap(({ endpoints: list }) => list ?? []);
  const ready = endpoints.filter(({ conditions }) => conditions?.ready ?? true);
  if (ready.length > 0)
    return ok(
      'endpoints',
      `${ready.length} ready${endpoints.length > ready.length ? `, ${endpoints.length - ready.length} not` : ''}`,
    );
  const targets = new Set(endpoints.map(({ targetRef }) => targetRef?.name));
  const pod = view.pods.find(
    (each) =>
      each.metadata?.namespace === service.metadata?.namespace &&
      targets.has(each.metadata?.name) &&
      !isPodReady(each),
  );
  const [namespace] = key.split('/');
  if (endpoints.length === 0)
    return wrong(
      'endpoints',
      'its EndpointSlices have none',
      `See why its pods have no address: kubectl get pods -n ${namespace} -o wide`,
    );
  return wrong(
    'endpoints',
    `none of ${endpoints.length} is ready`,
    pod === undefined
      ? `See: kubectl get endpointslices -n ${namespace}`
      : `See why: kubectl describe pod -n ${namespace} ${pod.metadata?.name}`,
  );
}
