import { createFakeRtnl } from '../rtnl/fake-rtnl.ts';
import { createFakeTrafficControl } from './fake-traffic-control.ts';
import { testTrafficControl } from './traffic-control-conformance.ts';

testTrafficControl('createFakeTrafficControl', {
  create() {
    const rtnl = createFakeRtnl().open({});
    return { rtnl, tc: createFakeTrafficControl(rtnl) };
  },
});
