import { createFakeRtnl } from './fake-rtnl.ts';
import { testRtnl } from './rtnl-conformance.ts';

const world = createFakeRtnl();
let inode = 0n;

testRtnl('createFakeRtnl', {
  create() {
    inode += 1n;
    const netns = { fd: -1, inode, close() {} };
    return { rtnl: world.open({ netns }), netns };
  },
});
