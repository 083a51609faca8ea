/**
 * The global object that Headlamp gives to plugins, made of the same parts of Headlamp's library.
 *
 * Two things are replaced: what registers is only noted, and the browser's database of clusters, which the
 * simulated browser doesn't have, knows none.
 */
import * as ApiProxy from '@kinvolk/headlamp-plugin/lib/lib/k8s/apiProxy';
import * as MuiMaterial from '@mui/material';
import * as React from 'react';
import { vi } from 'vitest';

vi.mock('@kinvolk/headlamp-plugin/lib/stateless/findKubeconfigByClusterName', () => ({
  findKubeconfigByClusterName: () => Promise.resolve(null),
}));

Object.assign(globalThis, {
  pluginLib: {
    ApiProxy: { ...ApiProxy },
    Headlamp: { isRunningAsApp: () => false },
    K8s: { useCluster: () => 'test' },
    MuiMaterial,
    React,
    registerRoute: vi.fn(),
    registerSidebarEntry: vi.fn(),
  },
});
