/**
 * The page as its users meet it, in Headlamp's parts, on a real cluster with a real Helm.
 *
 * Each test begins and ends on a cluster without Crossview.
 */
import { crossview, openCluster, sidebarEntry } from './fixtures';
import {
  BINDING,
  button,
  expect,
  fact,
  install,
  LEASE,
  NAMESPACE,
  notice,
  openPage,
  recordStages,
  recordWrites,
  test,
  title,
} from './page';

test.setTimeout(180_000);

const STAGES = [
  'Preparing rights',
  "Waiting for the Job's pod",
  'Helm runs',
  "Cleaning up: Helm's rights are taken away",
  'Crossview becomes ready',
];

test('an installation is followed to its end, and undone by name', async ({
  cluster,
  hostFor,
  kubectl,
  page,
  slowRegistry,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(crossview(page)).toContainText(
    'it will read everything in this cluster, Secrets too'
  );
  await takeScreenshots('not-installed');
  const stages = await recordStages(page);

  await install(page, { chart: slowRegistry.chart });

  await expect(title(page, 'Installing Crossview')).toBeVisible();
  const list = crossview(page).getByRole('list').getByRole('listitem');
  await expect(list).toHaveText(STAGES);
  await expect(list.and(page.locator('[aria-current="step"]'))).toHaveText('Helm runs');
  const log = crossview(page).getByRole('log', { name: "Helm's log" });
  await expect(log).toContainText('does not exist. Installing it now.');
  const timer = crossview(page).getByRole('timer');
  const early = await timer.innerText();
  expect(early).toMatch(/^\d+:\d\d$/);
  await expect(timer).not.toHaveText(early);
  await takeScreenshots('helm-runs');

  await slowRegistry.release();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  // A Crossview that is ready before the rights are gone needs no stage of its own.
  const shown = await stages.jsonValue();
  expect(STAGES.slice(0, Math.max(4, shown.length))).toEqual(shown);
  await expect(log).toContainText('STATUS: deployed');
  await expect(fact(page, 'Chart')).toHaveText(`crossview-${cluster.stable}`);
  await expect(fact(page, 'App version')).toHaveText(`v${cluster.stable}`);
  await expect(fact(page, 'Ready replicas')).toHaveText('1 of 1');
  await expect(fact(page, 'Revision')).toHaveText('1 (deployed)');
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
  await takeScreenshots('ready');

  await button(page, 'Uninstall').click();
  const dialog = page.getByRole('dialog', { name: 'Uninstall Crossview?' });
  const confirm = dialog.getByRole('button', { name: 'Uninstall' });
  await expect(confirm).toBeDisabled();
  await dialog.getByRole('textbox').fill('crossvie');
  await expect(confirm).toBeDisabled();
  await takeScreenshots('uninstall-asks');
  await dialog.getByRole('textbox').fill('crossview');
  await confirm.click();

  await expect(title(page, 'Uninstalling Crossview')).toBeVisible();
  await takeScreenshots('uninstalling');
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(button(page, 'Install')).toBeEnabled();
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
  const held = ['get', 'lease', LEASE, `--namespace=${NAMESPACE}`];
  expect(kubectl(...held, '-o', 'jsonpath={.spec.holderIdentity}')).toBe('');
  expect(kubectl('get', 'deployments', `--namespace=${NAMESPACE}`, '-o', 'name')).toBe('');
});

test('a wrong version fails with Helm’s words, and can be tried again', async ({
  hostFor,
  kubectl,
  page,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());

  await install(page, { version: '3.7.0' });

  const failure = notice(page, /^Installing Crossview failed: /);
  await expect(failure).toContainText(/3\.7\.0.*not found/);
  await expect(failure).toContainText('Check the chart reference and the version');
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(button(page, 'Install')).toBeEnabled();
  await expect(crossview(page).getByLabel('Version')).toHaveValue('3.7.0');
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
  await takeScreenshots('failed');

  await crossview(page).getByLabel('Version').fill('');
  await button(page, 'Install').click();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(failure).toHaveCount(0);
});

test('what can’t be right is refused beside its field, and stays', async ({
  hostFor,
  page,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  const writes = recordWrites(page);
  for (const [field, text, words] of [
    ['Version', '4.6', 'Expected one exact version'],
    ['Version', '4.6.0; reboot', 'Expected one exact version'],
    ['Chart', '', 'Expected oci://'],
    ['Chart', '--set x', 'Expected oci://'],
    ['Chart', 'https://charts.example.com', "Expected the chart's name"],
    ['Chart', 'ghcr.io/x', 'Expected oci://'],
  ] as const) {
    const input = crossview(page).getByLabel(field);
    const before = await input.inputValue();
    await input.fill(text);

    await button(page, 'Install').click();

    await expect(input).toHaveAccessibleDescription(new RegExp(words));
    await expect(input).toHaveAttribute('aria-invalid', 'true');
    await expect(input).toBeFocused();
    await expect(input).toHaveValue(text);
    await expect(button(page, 'Install')).toBeEnabled();
    if (text === 'ghcr.io/x') {
      await takeScreenshots('wrong-input');
    }
    await input.fill(before);
    await expect(input).toHaveAttribute('aria-invalid', 'false');
  }
  expect(writes).toEqual([]);
});

test('a reload and a second browser show the same operation', async ({
  hostFor,
  otherPage,
  page,
  slowRegistry,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  await install(page, { chart: slowRegistry.chart });
  await expect(crossview(page).getByRole('log')).toContainText('Installing it now.');

  await page.reload();
  await openPage(otherPage, await hostFor('viewer'));

  for (const each of [page, otherPage]) {
    await expect(title(each, 'Installing Crossview')).toBeVisible();
    await expect(each.locator('[aria-current="step"]')).toHaveText('Helm runs');
    await expect(crossview(each)).toContainText(slowRegistry.chart);
    await expect(crossview(each).getByRole('log')).toContainText('Installing it now.');
    await expect(button(each, 'Install')).toHaveCount(0);
  }
  await expect(crossview(otherPage)).toContainText('Asked for by admin.');
  await expect(crossview(page)).not.toContainText('Asked for by');
  await takeScreenshots('reloaded');
  await slowRegistry.release();

  for (const each of [page, otherPage]) {
    await expect(title(each, 'Crossview is ready')).toBeVisible();
    await expect(crossview(each).getByRole('log')).toContainText('STATUS: deployed');
  }
});

test('an operation ends, and its rights with it, after the page was left', async ({
  hostFor,
  kubectl,
  page,
  slowRegistry,
}) => {
  await openCluster(page, await hostFor());
  await sidebarEntry(page).click();
  await install(page, { chart: slowRegistry.chart });
  await expect(crossview(page).getByRole('log')).toContainText('Installing it now.');

  await page.goBack();
  await expect(crossview(page)).toHaveCount(0);
  expect(kubectl('get', 'clusterrolebinding', BINDING, '-o', 'name')).toContain(BINDING);
  await slowRegistry.release();

  const binding = () => kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found');
  await expect.poll(binding).toBe('');
  const lease = ['get', 'lease', LEASE, `--namespace=${NAMESPACE}`, '-o'];
  await expect.poll(() => kubectl(...lease, 'jsonpath={.spec.holderIdentity}')).toBe('');
  expect(kubectl(...lease, 'jsonpath={.metadata.annotations}')).toContain('succeeded');
});

test('two clicks at the same moment make one Job', async ({
  hostFor,
  kubectl,
  otherPage,
  page,
  slowRegistry,
}) => {
  const url = await hostFor();
  for (const each of [page, otherPage]) {
    await openPage(each, url);
    await crossview(each).getByLabel('Chart').fill(slowRegistry.chart);
  }

  await Promise.all([page, otherPage].map(each => button(each, 'Install').click()));

  for (const each of [page, otherPage]) {
    await expect(title(each, 'Installing Crossview')).toBeVisible();
    await expect(each.locator('[aria-current="step"]')).toHaveText('Helm runs');
  }
  // The loser is told by the API server, or by the other's lock where that was seen before its turn.
  const lost = /^(Somebody else was faster|Another operation is under way)$/;
  const told = [page, otherPage].map(each => notice(each, lost).count());
  expect((await Promise.all(told)).sort()).toEqual([0, 1]);
  const jobs = ['get', 'jobs', `--namespace=${NAMESPACE}`, '-o', 'name'];
  expect(
    kubectl(...jobs)
      .trim()
      .split('\n')
  ).toHaveLength(1);
  await slowRegistry.release();
  for (const each of [page, otherPage]) {
    await expect(title(each, 'Crossview is ready')).toBeVisible();
  }
  expect(
    kubectl(...jobs)
      .trim()
      .split('\n')
  ).toHaveLength(1);
});

test('who may not see Secrets sees all that does not rest on them', async ({
  hostFor,
  installByHelm,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');

  await openPage(page, await hostFor('viewer'));

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Ready replicas')).toHaveText('1 of 1');
  await expect(fact(page, 'Revision')).toHaveCount(0);
  await expect(button(page, 'Open Crossview')).toBeEnabled();
  const unseen = notice(page, 'You may not see everything here');
  await unseen.getByText('What exactly').click();
  await expect(unseen.getByRole('listitem')).toHaveCount(1);
  await expect(unseen).toContainText('secrets: The state of the Helm release is unknown');
  await expect(unseen).toContainText('User "viewer" cannot list resource "secrets"');
  await expect(button(page, 'Uninstall')).toHaveCount(0);
  await takeScreenshots('viewer');
});

test('who may see nothing is never told that nothing is installed', async ({
  hostFor,
  installByHelm,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  await page.addInitScript(() => {
    const said = new Set<string>();
    addEventListener('DOMContentLoaded', () => {
      new MutationObserver(() => {
        document.querySelectorAll('h2').forEach(title => said.add(title.textContent ?? ''));
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    Object.assign(window, { titlesSaid: () => [...said] });
  });

  await openPage(page, await hostFor('nobody'));

  const unknown = title(page, "It can't be told whether Crossview is installed");
  await expect(unknown).toBeVisible();
  await expect(crossview(page)).toContainText('User "nobody" cannot list resource "deployments"');
  await expect(button(page, 'Install')).toHaveCount(0);
  await takeScreenshots('nobody');
  const said = await page.evaluate(() =>
    (window as unknown as { titlesSaid(): string[] }).titlesSaid()
  );
  expect(said).not.toContain('Not installed');
  expect(said).toContain(await unknown.innerText());
});

test('who may not give Helm its rights is told so before the click', async ({
  hostFor,
  page,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor('operator'));

  const refused = notice(page, 'You may not install, update or uninstall Crossview');
  await refused.getByText('What exactly').click();
  await expect(refused.getByRole('listitem')).toHaveCount(1);
  await expect(refused).toContainText('Give Helm its rights: ');
  await expect(refused).toContainText('clusterrolebindings.rbac.authorization.k8s.io');
  await expect(button(page, 'Install')).toBeDisabled();
  await expect(crossview(page)).toContainText('You may not give Helm its rights.');
  await takeScreenshots('operator');
});

test('Crossview opens in a frame by an address that the user sets', async ({
  forwardPort,
  hostFor,
  installByHelm,
  page,
  serve,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  const notCrossview = await serve((request, response) => {
    const { origin = '*' } = request.headers;
    const headers = { 'content-type': 'text/html', 'access-control-allow-origin': origin };
    response.writeHead(200, headers).end('<!doctype html><title>Crossview</title>');
  });
  await openPage(page, await hostFor());

  await button(page, 'Open Crossview').click();
  await button(page, 'Other ways').click();
  await expect(title(page, 'Ways to Crossview')).toBeVisible();
  await takeScreenshots('ways');
  const address = crossview(page).getByRole('textbox', { name: 'Its address' });
  await address.fill('crossview.example.com');
  await button(page, 'Use this address').click();
  await expect(address).toHaveAccessibleDescription(/^Expected/);
  await address.fill(notCrossview);
  await button(page, 'Use this address').click();
  await expect(crossview(page)).toContainText(
    'it answers HTTP 200, but it is not a healthy Crossview'
  );
  await expect(crossview(page).getByTitle('Crossview', { exact: true })).toHaveCount(0);
  await takeScreenshots('ways-asked');
  const forward = await forwardPort();
  const health = page.waitForResponse(`${forward}/api/health`);
  await address.fill(forward);
  await button(page, 'Use this address').click();
  expect((await health).status()).toBe(200);

  const app = crossview(page).getByTitle('Crossview', { exact: true }).contentFrame();
  await expect(app.getByRole('heading', { name: 'Providers' })).toBeVisible();
  await expect(app.getByRole('status')).toHaveText('watch: live');
  await app.getByRole('link', { name: 'Claims' }).click();
  await expect(app.getByRole('heading', { name: 'Claims' })).toBeVisible();
  await takeScreenshots('opened');
  await button(page, 'Back to details').click();
  await expect(title(page, 'Crossview is ready')).toBeVisible();

  // The address is kept.
  await page.reload();
  await button(page, 'Open Crossview').click();
  await expect(app.getByRole('heading', { name: 'Providers' })).toBeVisible();
});
