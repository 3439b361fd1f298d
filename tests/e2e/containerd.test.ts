/** Debian's containerd, told through CRI what a kubelet tells it, with our plugins. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { IMAGE, startContainerd, whyNoContainerd } from '../support/containerd.ts';
import { installCni } from '../support/cni-on-ground.ts';
import type { Cri, SandboxConfig } from '../support/cri.ts';
import { type Ground, openGround, until } from '../support/ground.ts';

interface Pod {
  readonly config: SandboxConfig;
  readonly sandbox: string;
  readonly container: string;
  readonly addresses: readonly string[];
}

const PORT = 8080;
/** Answers everybody with its own name. */
const ANSWER = ['sh', '-c', `while true; do echo "$0" | nc -l -p ${PORT} || exit 1; done`];

const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true };

interface TestNetwork {
  readonly title: string;
  /** `dataDir` is where addresses are kept. */
  readonly plugins: (dataDir: string) => readonly object[];
  /** An address of the node that its pods reach. */
  readonly nodeAddress: string;
  readonly pods: readonly [RegExp, RegExp];
}

const networks: readonly TestNetwork[] = [
  {
    title: 'podnet, routed, without a cluster',
    plugins: (dataDir) => [{ type: 'podnet', podCIDRs: ['10.60.0.0/24', 'fd00:60::/64'], dataDir }, portmap],
    nodeAddress: '192.0.2.60',
    pods: [/^10\.60\.0\./, /^fd00:60::/],
  },
  {
    title: 'bridge, host-local and portmap',
    plugins: (dataDir) => [
      {
        type: 'bridge',
        bridge: 'cbr0',
        isDefaultGateway: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '10.61.0.0/24' }], [{ subnet: 'fd00:61::/64' }]],
          dataDir,
        },
      },
      portmap,
    ],
    nodeAddress: '10.61.0.1',
    pods: [/^10\.61\.0\./, /^fd00:61::/],
  },
];

for (const network of networks) prove(network);

function prove({ title, plugins, nodeAddress, pods }: TestNetwork): void {
  suite(`containerd with ${title}`, { skip: whyNoContainerd() ?? false }, () => {
    let ground: Ground;
    let cri: Cri;
    let addresses: string;
    let linksBefore: string;

    before(async () => {
      ground = await openGround();
      addresses = join(ground.directory, 'addresses');
      // The node's own address, and a way out that leads nowhere.
      await ground.run('sh', [
        '-c',
        'ip link add uplink type veth peer name outside && ip link set uplink up && ip link set outside up && ip address add 192.0.2.60/24 dev uplink && ip address add 2001:db8:60::1/64 dev uplink nodad && ip route add default via 192.0.2.1',
      ]);
      const conflist = { cniVersion: '1.0.0', name: 'pods', plugins: plugins(addresses) };
      cri = await startContainerd(ground, { conflist, pluginDirectory: await installCni(ground) });
      linksBefore = await ground.run('ip', ['-o', 'link']);
    });

    after(async () => {
      cri?.close();
      await ground?.close();
    });

    async function run(name: string, more: Partial<SandboxConfig> = {}): Promise<Pod> {
      const config = { metadata: { name, uid: `uid-${name}`, namespace: 'default' }, ...more };
      const sandbox = await cri.runSandbox(config);
      const container = await cri.runContainer(sandbox, config, {
        name: 'main',
        image: IMAGE,
        command: [...ANSWER, name],
      });
      return { config, sandbox, container, addresses: await cri.addresses(sandbox) };
    }

    const end = async ({ sandbox }: Pod): Promise<void> => {
      await cri.stopSandbox(sandbox);
      await cri.removeSandbox(sandbox);
    };

    const ask = (address: string, port = PORT): string[] => ['nc', '-w', '3', address, String(port)];

    test('sandboxes have addresses of both families from our IPAM, and reach each other and the node', async () => {
      const [a, b] = [await run('a'), await run('b')];
      assert.equal(new Set([...a.addresses, ...b.addresses]).size, 4);
      for (const [index, address] of a.addresses.entries()) {
        assert.match(address, pods[index] ?? /nothing/);
        const { stdout, stderr, code } = await cri.exec(b.container, ask(address));
        assert.deepEqual([code, stdout], [0, 'a\n'], stderr);
        // The node, that is the network namespace in which containerd runs.
        assert.equal(await ground.run('busybox', ask(address)), 'a\n');
      }
      const { stdout } = await cri.exec(b.container, ['ping', '-c', '1', '-W', '2', nodeAddress]);
      assert.match(stdout, /1 packets received/);
      const { stdout: link } = await cri.exec(b.container, ['ip', '-o', 'link', 'show', 'eth0']);
      assert.match(link, /mtu 1500/);
      await end(a);
      await end(b);
    });

    test('a port of the node leads into the sandbox that asks for it, and no longer when it is gone', async () => {
      const portMappings = [{ protocol: 'TCP', containerPort: PORT, hostPort: 8061 }] as const;
      const [a, b] = [await run('mapped', { portMappings }), await run('client')];
      const { stdout, stderr } = await cri.exec(b.container, ask(nodeAddress, 8061));
      assert.equal(stdout, 'mapped\n', stderr);
      await end(a);
      const { code } = await cri.exec(b.container, ask(nodeAddress, 8061));
      assert.notEqual(code, 0);
      await end(b);
    });

    test('a sandbox whose link was taken away is deleted all the same', async () => {
      const pod = await run('broken');
      await cri.exec(pod.container, ['ip', 'link', 'delete', 'eth0']);
      await end(pod);
    });

    test('nothing is left of sandboxes that are gone', async () => {
      const kinds = (text: string): string[] =>
        text.split('\n').flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
      // Links are deleted together, a moment after the last of them was taken out of service.
      await until('links are gone', async () => {
        const left = kinds(await ground.run('ip', ['-o', 'link'])).filter((name) => name !== 'cbr0');
        return left.length === kinds(linksBefore).length;
      });
      assert.equal(await ground.run('ls', ['/run/netns']), '');
      assert.equal(await ground.run('ls', ['/var/lib/cni/results']), '');
      const reserved = (await ground.run('find', [addresses, '-type', 'f', '-printf', '%f\\n'])).split('\n');
      assert.deepEqual(
        reserved.filter((file) => pods.some((pattern) => pattern.test(file))),
        [],
      );
      assert.doesNotMatch(await ground.run('nft', ['list', 'ruleset']), /8061/);
    });
  });
}
