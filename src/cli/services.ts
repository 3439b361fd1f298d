import { PodnetError } from '../model/errors.ts';
import { type Service, objectKey } from '../model/objects.ts';
import {
  type EndpointChoice,
  type Ignored,
  type PlannedHealth,
  type PlannedPort,
  type ServicePlan,
  hostPort,
} from '../services/plan.ts';
import type { TraceView } from '../trace/view.ts';
import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import type { ServicesOptions } from './services-commands.ts';
import { out, printResult, table } from './terminal.ts';
import { loadView } from './trace.ts';

/** What one node does for one Service. */
export interface NodeService {
  readonly node: string;
  readonly ports: readonly PlannedPort[];
  readonly ignored: readonly Ignored[];
  readonly health?: PlannedHealth;
}

export interface ServiceReport {
  /** `namespace/name`. */
  readonly service: string;
  readonly type: string;
  readonly nodes: readonly NodeService[];
}

/** `podnet services`. */
export async function services(name: string | undefined, options: ServicesOptions): Promise<void> {
  await withCluster(options.name, async ({ client }) => {
    const view = await loadView(client);
    const nodes = nodeNames(view, options.node);
    const chosen = name === undefined ? view.services : [findService(view, name, options.namespace)];
    const reports = reportServices(view, chosen, nodes);
    if (printData(reports, options.output)) return;
    printResult(name === undefined ? printOverview(reports) : reports.map(printReport).join('\n'));
  });
}

/** The Service of this name. Throws `PodnetError` that says which there are. */
export function findService(view: TraceView, name: string, namespace: string): Service {
  const key = name.includes('/') ? name : `${namespace}/${name}`;
  const found = view.services.find((service) => objectKey(service) === key);
  if (found !== undefined) return found;
  const sameName = view.services.map(objectKey).filter((each) => each.endsWith(`/${name.split('/').at(-1)}`));
  throw new PodnetError(`There is no Service ${key}`, {
    code: 'unknown-service',
    where: key,
    fix:
      sameName.length > 0
        ? `Did you mean ${sameName.join(' or ')}?`
        : `There are: ${view.services.map(objectKey).toSorted().slice(0, 12).join(', ')}. See: ./podnet services`,
  });
}

function nodeNames(view: TraceView, only: string | undefined): readonly string[] {
  const names = view.nodes.map(({ metadata }) => metadata?.name ?? '');
  if (only === undefined) return names;
  if (names.includes(only)) return [only];
  throw new PodnetError(`There is no node ${only}`, {
    code: 'unknown-node',
    fix: `The nodes are: ${names.join(', ') || 'none'}.`,
  });
}

export function reportServices(
  view: TraceView,
  chosen: readonly Service[],
  nodes: readonly string[],
): readonly ServiceReport[] {
  const byNode = nodes.map((node) => {
    const plan = view.servicePlan(node);
    return { node, plan, ports: Map.groupBy(plan.ports.values(), ({ service }) => service) };
  });
  return chosen
    .map((service) => {
      const key = objectKey(service);
      return {
        service: key,
        type: service.spec?.clusterIP === 'None' ? 'Headless' : (service.spec?.type ?? 'ClusterIP'),
        nodes: byNode.map(({ node, plan, ports }) =>
          onNode(plan, { node, key, ports: ports.get(key) ?? [] }),
        ),
      };
    })
    .toSorted((a, b) => (a.service < b.service ? -1 : 1));
}

function onNode(
  plan: ServicePlan,
  { node, key, ports }: { node: string; key: string; ports: readonly PlannedPort[] },
): NodeService {
  const health = plan.health.get(key);
  return { node, ports, ignored: plan.ignored.get(key) ?? [], ...(health && { health }) };
}

/** One line a Service. */
function printOverview(reports: readonly ServiceReport[]): string {
  const rows = reports.map((report) => {
    const [first] = report.nodes;
    const ports = first?.ports ?? [];
    const fronts = ports.map((port) => `${frontText(port)}/${port.protocol}`);
    const differs = new Set(report.nodes.map(contentOf)).size > 1;
    return [
      report.service,
      report.type,
      fronts.slice(0, 2).join(' ') + (fronts.length > 2 ? ` +${fronts.length - 2}` : '') || '-',
      endpointCounts(report),
      noteOf(report, differs),
    ];
  });
  return table([['SERVICE', 'TYPE', 'SERVED AT', 'ENDPOINTS', 'NOTE'], ...rows]);
}

function endpointCounts({ nodes }: ServiceReport): string {
  const counts = nodes.flatMap(({ ports }) =>
    ports.flatMap(({ inside, outside }) => [inside.endpoints.length, outside.endpoints.length]),
  );
  if (counts.length === 0) return '-';
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const text = least === most ? String(most) : `${least}-${most}`;
  return most === 0 ? out.red(text) : text;
}

function noteOf({ nodes }: ServiceReport, differs: boolean): string {
  const [first] = nodes;
  const refused = first?.ignored.find((each) => each.refused);
  if (refused !== undefined) return out.red(`refused: ${refused.field} ${refused.reason}`);
  if (first?.ports.length === 0) {
    const reason = first.ignored[0];
    return reason === undefined ? 'no ports' : `left alone: ${reason.field} ${reason.reason}`;
  }
  if (first?.ports.every(({ inside }) => inside.endpoints.length === 0) === true && !differs)
    return out.red('rejects: no endpoints');
  const skipped = Math.max(0, ...(first?.ports ?? []).map(({ inside }) => inside.skipped.length));
  const parts = [...(skipped > 0 ? [`${skipped} left out`] : []), ...(differs ? ['nodes differ'] : [])];
  return parts.join(', ');
}

/** Everything of one Service; nodes that do the same stand together. */
export function printReport(report: ServiceReport): string {
  const groups = Map.groupBy(report.nodes, contentOf);
  const head = `${out.bold(`Service ${report.service}`)}  ${report.type}`;
  const parts = [...groups.values()].map((group) => {
    const [first] = group;
    if (first === undefined) return '';
    const names = group.map(({ node }) => node);
    const where = groups.size === 1 ? `every node alike (${names.join(', ')})` : names.join(', ');
    return `${out.bold(where)}\n${printNode(first)}`;
  });
  return `${head}\n${parts.join('\n')}`.trimEnd();
}

function contentOf({ ports, ignored, health }: NodeService): string {
  return JSON.stringify([ports, ignored, health]);
}

function printNode({ ports, ignored, health }: NodeService): string {
  const lines = [
    ...ports.flatMap(printPort),
    ...(health === undefined
      ? []
      : [
          `  health check on port ${health.port}: ${health.localEndpoints > 0 ? 200 : 503}, ${health.localEndpoints} on this node`,
        ]),
    ...ignored.map(({ object, field, reason, refused }) => {
      const of = object.kind === 'Service' ? '' : `${object.kind} ${object.key} `;
      return refused
        ? out.red(`  refused: ${of}${field} ${reason}`)
        : out.dim(`  left alone: ${of}${field} ${reason}`);
    }),
  ];
  return `${lines.join('\n')}\n`;
}

function frontText({ kind, address, port }: PlannedPort): string {
  return kind === 'nodePort' ? `NODE:${port}` : hostPort(address, port);
}

function printPort(port: PlannedPort): readonly string[] {
  const { kind, field, addressField, inside, outside, protocol, portName } = port;
  const name = portName === '' ? '' : ` ${JSON.stringify(portName)}`;
  const head = `  ${out.bold(`${frontText(port)}/${protocol}`)}${name}  ${out.dim(kind === 'nodePort' ? addressField : `${addressField}, ${field}`)}`;
  const options = [
    ...(port.affinitySeconds === undefined
      ? []
      : [`a client stays with its endpoint for ${port.affinitySeconds} s of silence`]),
    ...(port.sourceRanges === undefined ? [] : [`only from ${port.sourceRanges.join(', ') || 'nowhere'}`]),
    ...(kind === 'clusterIP' || port.masquerade.length === 0
      ? []
      : [`masquerades what comes from ${port.masquerade.map(clientText).join(' and ')}`]),
  ].map((line) => out.dim(`    ${line}`));
  const choices =
    inside === outside
      ? printChoice(inside, '')
      : [...printChoice(inside, 'from this node: '), ...printChoice(outside, 'from elsewhere: ')];
  return [head, ...options, ...choices];
}

function clientText(client: PlannedPort['masquerade'][number]): string {
  return { pod: 'its pods', node: 'the node itself', outside: 'elsewhere' }[client];
}

function printChoice(choice: EndpointChoice, who: string): readonly string[] {
  const { endpoints, skipped, chosenBy, scope, scopeField, whenNone } = choice;
  const share = endpoints.length > 1 ? `, ${Math.round(100 / endpoints.length)} % each` : '';
  const from = scope === 'cluster' ? '' : `, ${scope === 'node' ? 'on this node' : scope} by ${scopeField}`;
  const rule =
    endpoints.length === 0
      ? out.red(
          whenNone === 'reject'
            ? 'rejected: no endpoints'
            : `dropped: no endpoint on this node (${scopeField})`,
        )
      : `${endpoints.length} endpoint${endpoints.length === 1 ? '' : 's'}, ${chosenBy}${from}${share}`;
  return [
    `    ${who}${rule}`,
    ...endpoints.map(({ address, port, source }) => {
      const target = [source.target, source.nodeName && `on ${source.nodeName}`].filter(Boolean).join(' ');
      return `      ${out.green('→')} ${hostPort(address, port)}  ${target}`.trimEnd();
    }),
    ...skipped.map(
      ({ address, source, reason }) =>
        `      ${out.red('✗')} ${address}  ${[source.target, reason].filter(Boolean).join(': ')}`,
    ),
  ];
}
