import { formatCidr, tryParseCidr } from '../../model/ip.ts';
import { isAtLeast } from '../spec/versions.ts';
import type { Attached, Bench } from './bench.ts';
import { Violation, describeOutcome, requireError, requireSuccess } from './call-plugin.ts';
import type { KitCase } from './case.ts';
import { resultProblems } from './result-shape.ts';

export const addCases: readonly KitCase[] = [
  {
    name: 'version',
    title: 'VERSION says which versions the plugin speaks',
    async run(bench) {
      const version = '1.0.0';
      const outcome = requireSuccess(
        await bench.call('VERSION', { stdin: JSON.stringify({ cniVersion: version }) }),
      );
      const list = outcome.json?.['supportedVersions'];
      if (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === 'string'))
        throw new Violation('VERSION has no list of supportedVersions');
      if (outcome.json?.['cniVersion'] !== version)
        throw new Violation(
          `VERSION was asked in ${version} and answered in ${JSON.stringify(outcome.json?.['cniVersion'])}`,
        );
    },
  },
  {
    name: 'version-unknown',
    title: 'VERSION answers those who speak a version the plugin does not',
    async run(bench) {
      requireSuccess(await bench.call('VERSION', { stdin: JSON.stringify({ cniVersion: '9.9.9' }) }));
    },
  },
  {
    name: 'add',
    title: 'ADD does what its result says',
    async run(bench) {
      const attached = await bench.attach(bench.pod());
      const problems = [...resultProblems(attached.answer, attached.version), ...untrue(bench, attached)];
      if (problems.length > 0) throw new Violation(problems.join('; '));
    },
  },
  {
    name: 'add-versions',
    title: 'ADD answers in the version of the configuration, whichever it is',
    async run(bench, { common }) {
      const problems: string[] = [];
      for (const version of common) {
        const attached = await bench.attach(bench.pod(), version);
        problems.push(...resultProblems(attached.answer, version).map((problem) => `${version}: ${problem}`));
        await bench.detach(attached);
      }
      if (problems.length > 0) throw new Violation(problems.join('; '));
      return common.join(' ');
    },
  },
  {
    name: 'add-keeps-previous',
    title: 'ADD of a chained plugin passes on what was there',
    notFor: ({ isChained }) => (isChained ? undefined : 'it is not chained'),
    async run(bench) {
      const { prevResult, answer } = await bench.attach(bench.pod());
      for (const key of ['interfaces', 'ips', 'routes']) {
        const before = sizeOf(prevResult?.[key]);
        const after = sizeOf(answer[key]);
        if (after < before) throw new Violation(`${key} were ${before} and are ${after} after it`);
      }
    },
  },
  {
    name: 'add-without-previous',
    title: 'ADD of a chained plugin fails without prevResult',
    notFor: ({ isChained }) => (isChained ? undefined : 'it is not chained'),
    async run(bench) {
      requireError(await bench.call('ADD', { pod: bench.pod() }), { when: 'without prevResult' });
    },
  },
  {
    name: 'add-twice',
    title: 'a second ADD fails or answers the same, and harms nothing',
    async run(bench, { common }) {
      const attached = await bench.attach(bench.pod());
      const before = await bench.inside(attached.pod);
      const outcome = await bench.callAttached('ADD', attached);
      if (outcome.status === 0 && JSON.stringify(outcome.json) !== JSON.stringify(attached.answer))
        throw new Violation('the second ADD succeeded with another answer');
      if (outcome.status !== 0) requireError(outcome, { when: 'for the second time' });
      await bench.requireInside(attached.pod, before, 'after the second ADD');
      if (common.some((version) => isAtLeast(version, '0.4.0')))
        requireSuccess(await bench.callAttached('CHECK', attached), 'after a second ADD');
      return outcome.status === 0 ? 'it answers the same' : `it fails: ${describeOutcome(outcome)}`;
    },
  },
  {
    name: 'add-name-taken',
    title: 'ADD fails when the container has an interface of that name, and leaves it alone',
    notFor: ({ makesInterface, isChained }) =>
      makesInterface && !isChained ? undefined : 'it makes no interface',
    async run(bench) {
      const pod = bench.pod();
      bench.change(pod, (rtnl) =>
        rtnl.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'other' }, up: true }),
      );
      const inside = await bench.inside(pod);
      requireError(await bench.call('ADD', { pod }), { when: 'where eth0 is taken' });
      await bench.requireInside(pod, inside, 'after an ADD that failed');
      await bench.requireNode('after an ADD that failed');
    },
  },
  {
    name: 'add-parallel',
    title: 'ten containers at a time get ten different addresses',
    notFor: ({ hasAddresses, isChained }) =>
      hasAddresses && !isChained ? undefined : 'it gives no addresses',
    async run(bench) {
      const pods = Array.from({ length: 10 }, () => bench.pod());
      const all = await Promise.all(pods.map((pod) => bench.attach(pod)));
      const addresses = all.flatMap(({ result }) => result.ips?.map(({ address }) => address) ?? []);
      const twice = addresses.filter((address, index) => addresses.indexOf(address) !== index);
      if (twice.length > 0) throw new Violation(`${twice.join(', ')} was given twice`);
      await Promise.all(all.map((attached) => bench.detach(attached)));
    },
  },
  {
    name: 'add-dead-namespace',
    title: 'ADD fails when the namespace does not exist, and leaves nothing',
    notFor: ({ makesInterface, isChained }) =>
      makesInterface && !isChained ? undefined : 'it makes no interface',
    async run(bench) {
      const pod = bench.pod();
      pod.kill();
      requireError(await bench.call('ADD', { pod }), { when: 'with a namespace that is gone' });
      const plain = { pod, environment: { CNI_NETNS: bench.plainFile } };
      requireError(await bench.call('ADD', plain), { when: 'with a file that is no namespace' });
      await bench.requireNode('after an ADD that failed');
    },
  },
];

/** What the result claims and the container does not have. */
function untrue(bench: Bench, { pod, result }: Attached): string[] {
  const problems: string[] = [];
  bench.change(pod, (rtnl) => {
    for (const [index, { name, sandbox, mac, mtu }] of (result.interfaces ?? []).entries()) {
      if (!sandbox) continue;
      const link = rtnl.link(name);
      if (sandbox !== pod.path) problems.push(`interfaces[${index}].sandbox is ${sandbox}, not CNI_NETNS`);
      if (!link) problems.push(`interfaces[${index}]: the container has no ${name}`);
      else if (mac && link.mac && mac.toLowerCase() !== link.mac.toLowerCase())
        problems.push(`interfaces[${index}].mac is ${mac}, and that of ${name} is ${link.mac}`);
      else if (mtu !== undefined && mtu !== link.mtuBytes)
        problems.push(`interfaces[${index}].mtu is ${mtu}, and that of ${name} is ${link.mtuBytes}`);
    }
    for (const [index, { address, interface: on }] of (result.ips ?? []).entries()) {
      const name = on === undefined ? undefined : result.interfaces?.[on]?.name;
      const text = address.split('/')[0];
      const link = name === undefined ? undefined : rtnl.link(name);
      const found = link && rtnl.addresses({ link: link.index }).some((one) => one.address === text);
      if (name !== undefined && !found) problems.push(`ips[${index}]: ${name} does not have ${address}`);
    }
    const prefixes = new Set(rtnl.routes().map(({ dst }) => dst));
    // Plugins that only give addresses leave routes to the one that called them.
    const isInside = result.interfaces?.some(({ sandbox }) => sandbox) ?? false;
    for (const [index, { dst }] of (isInside ? (result.routes ?? []) : []).entries())
      if (!prefixes.has(canonical(dst)))
        problems.push(`routes[${index}]: the container has no route to ${dst}`);
  });
  return problems;
}

/** As the kernel writes it. */
function canonical(dst: string): string {
  const prefix = tryParseCidr(dst)?.network;
  return prefix ? formatCidr(prefix) : dst;
}

const sizeOf = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
