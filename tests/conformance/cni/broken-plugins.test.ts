/** The kit finds what is wrong with plugins that are wrong on purpose. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { failures, kit } from './support.ts';

/** A plugin in sh that meets the specification in nothing but ADD, DEL and VERSION of well-formed requests. */
const careless = `#!/bin/sh
case $CNI_COMMAND in
  VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}' ;;
  ADD)
    ip link add eth-$$ type veth peer name $CNI_IFNAME-$$
    echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'$CNI_NETNS'"}],"ips":[{"version":"4","address":"10.1.0.2/24","interface":0}]}' ;;
esac
exit 0
`;

/** Says no to everything, and not why. */
const silent = `#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && exec echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}'
exit 1
`;

suite('podnet cni test', () => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-broken-'));
  after(() => rmSync(directory, { recursive: true }));
  const install = (name: string, script: string): string => {
    const file = join(directory, name);
    writeFileSync(file, script);
    chmodSync(file, 0o755);
    return file;
  };

  test('finds false results, leaks, silence where errors belong, and wrong versions', async () => {
    const failed = failures(await kit(install('careless', careless)));
    const expected = {
      version: /asked in 1\.0\.0 and answered in "1\.1\.0"/,
      add: /cniVersion is "1\.0\.0".*ips\[0\]\.version is no key.*the container has no eth0/,
      'add-versions': /1\.1\.0: cniVersion/,
      'add-parallel': /given twice/,
      'add-dead-namespace': /gone succeeded/,
      del: /the node differs after DEL: \+ link eth-/,
      'check-without-previous': /succeeded/,
      'gc-removes': /\+ link eth-/,
      'missing-variables': /without CNI_CONTAINERID succeeded/,
      'broken-json': /succeeded/,
      'huge-stdin': /succeeded/,
    };
    for (const [name, reason] of Object.entries(expected))
      assert.match(failed[name] ?? 'passed', reason, name);
  });

  test('says what kept a plugin from being tested at all', async () => {
    const report = await kit(install('silent', silent));
    assert.equal(report.failed, 1);
    assert.match(report.cases[0]?.reason ?? '', /first ADD failed: ADD ended with status 1/);
    const broken = await kit(install('dies', '#!/bin/sh\necho no such module >&2\nexit 3\n'));
    assert.equal(broken.cases[0]?.reason, 'VERSION ended with status 3 (no such module)');
  });
});
