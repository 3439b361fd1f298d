/** Debian's podman with its CNI backend and our plugins. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { installCni } from '../support/cni-on-ground.ts';
import { type Ground, openGround, until } from '../support/ground.ts';
import { IMAGE, type Podman, preparePodman, whyNoPodman } from '../support/podman.ts';

const PORT = 8080;
const ANSWER = ['sh', '-c', `while true; do echo "$0" | nc -l -p ${PORT} || exit 1; done`];

suite('podman', { skip: whyNoPodman() ?? false }, () => {
  let ground: Ground;
  let podman: Podman;
  let addresses: string;

  before(async () => {
    ground = await openGround();
    addresses = join(ground.directory, 'addresses');
    const conflist = {
      cniVersion: '1.0.0',
      name: 'podtest',
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni-podtest',
          isGateway: true,
          ipMasq: true,
          hairpinMode: true,
          ipam: {
            type: 'host-local',
            routes: [{ dst: '0.0.0.0/0' }],
            ranges: [[{ subnet: '10.62.0.0/24', gateway: '10.62.0.1' }]],
            dataDir: addresses,
          },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
        { type: 'firewall' },
      ],
    };
    podman = await preparePodman(ground, { conflist, pluginDirectory: await installCni(ground) });
  });

  after(() => ground?.close());

  async function run(name: string, ...more: readonly string[]): Promise<string> {
    await podman('run', '-d', '--name', name, '--network', 'podtest', ...more, IMAGE, ...ANSWER, name);
    const format = '{{.NetworkSettings.Networks.podtest.IPAddress}}';
    return (await podman('inspect', '--format', format, name)).trim();
  }

  const ask = (address: string, port = PORT): string[] => ['nc', '-w', '3', address, String(port)];

  test('containers have addresses from our IPAM, and reach each other and the node', async () => {
    const [a, b] = [await run('a'), await run('b')];
    assert.match(a, /^10\.62\.0\./);
    assert.notEqual(a, b);
    assert.equal(await podman('exec', 'b', ...ask(a)), 'a\n');
    assert.equal(await podman('exec', 'a', ...ask(b)), 'b\n');
    assert.equal(await ground.run('busybox', ask(a)), 'a\n');
    assert.match(await podman('exec', 'a', 'ping', '-c', '1', '-W', '2', '10.62.0.1'), /1 packets received/);
  });

  test('a published port leads into its container, from the node and from another container', async () => {
    await run('web', '-p', '8062:8080');
    assert.equal(await podman('exec', 'b', ...ask('10.62.0.1', 8062)), 'web\n');
    assert.equal(await ground.run('busybox', ask('10.62.0.1', 8062)), 'web\n');
  });

  test('a fixed address is the one asked for', async () => {
    assert.equal(await run('fixed', '--ip', '10.62.0.77'), '10.62.0.77');
  });

  test('nothing is left of containers that are removed', async () => {
    await podman('rm', '-f', '-t', '0', 'a', 'b', 'web', 'fixed');
    await until('links are gone', async () => {
      const links = await ground.run('ip', ['-o', 'link']);
      return (links.match(/^\d+:/gm) ?? []).length === 2;
    });
    assert.equal(await ground.run('ls', ['/var/lib/cni/results']), '');
    const reserved = (await ground.run('ls', [join(addresses, 'podtest')])).split('\n');
    assert.deepEqual(
      reserved.filter((file) => file.startsWith('10.')),
      [],
    );
    assert.doesNotMatch(await ground.run('nft', ['list', 'ruleset']), /8062|10\.62\.0\.\d+\/32/);
  });
});
