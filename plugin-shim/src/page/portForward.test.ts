import { beforeEach, expect, test, vi } from 'vitest';
import { portForward } from './portForward';

const running = {
  id: 'running',
  cluster: 'test',
  namespace: 'crossview',
  pod: 'crossview-1',
  service: '',
  serviceNamespace: '',
  targetPort: '3001',
  port: '40001',
  status: 'Running',
};

const started = vi.fn();

beforeEach(() => {
  started.mockReset().mockResolvedValue({ ...running, id: 'new', port: '40002' });
  pluginLib.ApiProxy.startPortForward = started;
});

test.each([
  ['an empty list', null],
  ['one of another pod', [{ ...running, pod: 'crossview-2' }]],
  ['one to another port', [{ ...running, targetPort: '80' }]],
  ['one that was stopped', [{ ...running, status: 'Stopped' }]],
])('beside %s a new one is started', async (_, list) => {
  vi.spyOn(pluginLib.ApiProxy, 'listPortForward').mockResolvedValue(list as never);

  const forward = await portForward('test').start('crossview', 'crossview-1', 3001);

  expect(forward).toEqual({ id: 'new', port: 40002, isOurs: true });
});

test('one that runs is taken', async () => {
  vi.spyOn(pluginLib.ApiProxy, 'listPortForward').mockResolvedValue([running]);

  const forward = await portForward('test').start('crossview', 'crossview-1', 3001);

  expect(forward).toEqual({ id: 'running', port: 40001, isOurs: false });
  expect(started).not.toHaveBeenCalled();
});

test('stopping takes it off the list', async () => {
  const ended = vi.spyOn(pluginLib.ApiProxy, 'stopOrDeletePortForward').mockResolvedValue('');

  await portForward('test').stop('running');

  expect(ended).toHaveBeenCalledWith('test', 'running', false);
});
