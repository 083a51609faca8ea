/**
 * What the page does with a Crossview, step by step, on a real cluster with a real Helm: update, roll back, cancel,
 * uninstall, and what a user reads, sets and copies meanwhile.
 *
 * Each test begins and ends on a cluster without Crossview.
 */
import { Download, Locator, Page } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { crossview } from './fixtures';
import {
  BINDING,
  button,
  expect,
  fact,
  install,
  NAMESPACE,
  notice,
  openPage,
  recordWrites,
  test,
  title,
} from './page';

test.setTimeout(240_000);

const OLDER = '4.5.0';

/** A dialog of the page, by its whole title. */
function dialog(page: Page, name: string) {
  return page.getByRole('dialog', { name, exact: true });
}

/** What the browser offers for a field while something is typed there. */
function offers(field: Locator): Promise<string[]> {
  return field.evaluate((input: HTMLInputElement) =>
    [...(input.list?.options ?? [])].map(option => option.value)
  );
}

/** The lines of a table of the page that has a column of this name, without its head. */
function lines(page: Page, column: string) {
  const table = crossview(page)
    .getByRole('table')
    .filter({ has: page.getByRole('columnheader', { name: column, exact: true }) });
  return table.locator('tbody').getByRole('row');
}

/** Unfolds a part of the page, or of a dialog. */
async function unfold(part: Locator, summary: string) {
  await part.locator('summary').getByText(summary, { exact: true }).click();
}

/** Presses Tab until `target` has the focus. */
async function tabTo(page: Page, target: Locator) {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    if (await target.evaluate(element => element === document.activeElement)) {
      return;
    }
  }
  throw new Error('Tab does not lead there');
}

/** The text of a file that the browser has saved. */
async function textOf(download: Download) {
  return readFile(await download.path(), 'utf8');
}

test('an update says what it will do, keeps what was set, and is rolled back', async ({
  cluster,
  hostFor,
  kubectl,
  page,
  takeScreenshots,
}) => {
  const mode = () => {
    const map = ['get', 'configmap', 'crossview-config', `--namespace=${NAMESPACE}`];
    return kubectl(...map, '-o', 'jsonpath={.data.AUTH_MODE}');
  };
  await openPage(page, await hostFor());
  await install(page, { version: OLDER });
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Chart')).toHaveText(`crossview-${OLDER}`);
  await unfold(crossview(page), 'History');
  await expect(lines(page, 'Revision')).toHaveCount(1);
  await expect(button(page, 'Roll back to 1')).toHaveCount(0);

  await button(page, 'Update').click();
  const update = dialog(page, 'Update Crossview');
  await expect(update).toContainText(`Installed: crossview-${OLDER}, app v${OLDER}, revision 1.`);
  const version = update.getByLabel('Version (optional)');
  await expect(version).toHaveValue('');
  for (const [number, words] of [
    ['4.4.9', `A downgrade from crossview-${OLDER} to 4.4.9: `],
    [OLDER, `${OLDER} is installed already: only the values can change.`],
    [cluster.stable, `An upgrade from crossview-${OLDER} to ${cluster.stable}.`],
  ] as const) {
    await version.fill(number);
    await expect(update.getByRole('status').filter({ hasText: words })).toBeVisible();
    if (number === '4.4.9') {
      await takeScreenshots('update-dialog');
    }
  }
  await unfold(update, 'What will happen');
  await expect(update.locator('code')).toHaveText(
    new RegExp(
      `^helm upgrade --reset-then-reuse-values crossview oci://.* --version=${cluster.stable}`
    )
  );
  for (const part of ['kind: Job', 'kind: ClusterRoleBinding', `--version=${cluster.stable}`]) {
    await expect(update.locator('pre')).toContainText(part);
  }
  await takeScreenshots('update-preview');
  await update.getByRole('button', { name: 'Update', exact: true }).click();

  await expect(title(page, 'Updating Crossview')).toBeVisible();
  await expect(update).toBeHidden();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Chart')).toHaveText(`crossview-${cluster.stable}`);
  await expect(fact(page, 'App version')).toHaveText(`v${cluster.stable}`);
  await expect(fact(page, 'Revision')).toHaveText('2 (deployed)');
  expect(mode()).toBe('none');
  // It was taken off the page meanwhile, and stands there again as it was left.
  await expect(lines(page, 'Revision').first()).toBeVisible();
  await expect(lines(page, 'Revision')).toHaveText([
    new RegExp(`^2deployedcrossview-${cluster.stable}`),
    new RegExp(`^1supersededcrossview-${OLDER}`),
  ]);
  await takeScreenshots('history');

  await button(page, 'Roll back to 1').click();
  const question = dialog(page, 'Roll back to revision 1?');
  await expect(question).toContainText(`like it: crossview-${OLDER} with the values that it had`);
  await takeScreenshots('rollback-asks');
  await question.getByRole('button', { name: 'Keep what is there' }).click();
  await expect(question).toBeHidden();
  await expect(fact(page, 'Revision')).toHaveText('2 (deployed)');
  await button(page, 'Roll back to 1').click();
  await question.getByRole('button', { name: 'Roll back' }).click();

  await expect(title(page, 'Rolling Crossview back')).toBeVisible();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Chart')).toHaveText(`crossview-${OLDER}`);
  await expect(fact(page, 'App version')).toHaveText(`v${OLDER}`);
  await expect(fact(page, 'Revision')).toHaveText('3 (deployed)');
  await expect(lines(page, 'Revision')).toHaveCount(3);
  await unfold(crossview(page), 'History');
  await expect(lines(page, 'Revision').first()).toBeHidden();
  expect(mode()).toBe('none');
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
});

test('values that are not YAML are refused beside their field, good ones reach the cluster', async ({
  hostFor,
  page,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  const writes = recordWrites(page);
  await unfold(crossview(page), 'Values');
  const values = crossview(page).getByLabel('values.yaml');
  await expect(values).toHaveValue(/mode: none/);
  const good = await values.inputValue();

  for (const [wrong, words] of [
    [`${good}replicaCount: 2: 3\n`, /^Line \d+: /],
    ['- a\n- b\n', /^Expected names with values/],
  ] as const) {
    await values.fill(wrong);
    // Folded, neither the field nor what is wrong with it would be seen.
    await unfold(crossview(page), 'Values');
    await expect(values).toBeHidden();

    await button(page, 'Install').click();

    await expect(values).toHaveAccessibleDescription(words);
    await expect(values).toHaveAttribute('aria-invalid', 'true');
    await expect(values).toBeFocused();
    await expect(values).toHaveValue(wrong);
    await expect(button(page, 'Install')).toBeEnabled();
  }
  expect(writes).toEqual([]);
  await takeScreenshots('values-wrong');
  await values.fill(`${good}replicaCount: 2\n`);
  await expect(values).toHaveAttribute('aria-invalid', 'false');
  await button(page, 'Install').click();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Ready replicas')).toHaveText('2 of 2');
});

test('an operation that is cancelled in the middle says how it ended', async ({
  hostFor,
  kubectl,
  page,
  slowRegistry,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  await install(page, { chart: slowRegistry.chart });
  await expect(page.locator('[aria-current="step"]')).toHaveText('Helm runs');
  expect(kubectl('get', 'clusterrolebinding', BINDING, '-o', 'name')).toContain(BINDING);

  await button(page, 'Cancel').click();
  const question = dialog(page, 'Cancel the operation?');
  await expect(question).toContainText('If it has made nothing yet, everything stays as it was.');
  await takeScreenshots('cancel-asks');
  await question.getByRole('button', { name: 'Cancel it' }).click();

  const ended = notice(page, 'Installing Crossview was ended before Helm was through');
  await expect(ended).toContainText('Its Job was deleted while it ran.');
  await expect(ended).toContainText(slowRegistry.chart);
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(button(page, 'Install')).toBeEnabled();
  await expect(crossview(page).getByLabel('Chart')).toHaveValue(slowRegistry.chart);
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
  await takeScreenshots('cancelled');
});

test('Update Helm Repo brings the versions of a repository to every browser', async ({
  cluster,
  hostFor,
  kubectl,
  otherPage,
  page,
  takeScreenshots,
}) => {
  const chart = `${cluster.repository} crossview`;
  await openPage(page, await hostFor());
  await openPage(otherPage, await hostFor('viewer'));
  const update = button(page, 'Update Helm Repo');
  const version = crossview(page).getByLabel('Version (optional)');
  await expect(update).toBeDisabled();
  await expect(crossview(page)).toContainText(
    'Update Helm Repo is not needed for this chart: only a repository'
  );

  await crossview(page).getByLabel('Chart').fill(chart);
  await expect(crossview(page)).toContainText('Finds the versions there are to choose from.');
  expect(await offers(version)).toEqual([]);
  await update.click();

  await expect(title(page, 'Reading the chart repository')).toBeVisible();
  await expect(title(page, 'Not installed')).toBeVisible();
  await expect(crossview(page).getByLabel('Chart')).toHaveValue(chart);
  await expect(crossview(page)).toContainText(/3 versions found (just now|\d+ s ago)/);
  await otherPage.bringToFront();
  await crossview(otherPage).getByLabel('Chart').fill(chart);
  for (const each of [page, otherPage]) {
    const field = crossview(each).getByLabel('Version (optional)');
    await expect.poll(() => offers(field)).toEqual(cluster.versions);
  }
  await page.bringToFront();
  await takeScreenshots('repository-versions');

  await install(page, { version: OLDER });

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(fact(page, 'Chart')).toHaveText(`crossview-${OLDER}`);
  await expect(update).toBeEnabled();
  await button(page, 'Update').click();
  const field = dialog(page, 'Update Crossview').getByLabel('Version (optional)');
  expect(await offers(field)).toEqual(cluster.versions);
  expect(kubectl('get', 'clusterrolebinding', BINDING, '--ignore-not-found')).toBe('');
});

test('settings are refused beside their field, kept over a reload, and name what is looked after', async ({
  hostFor,
  installByHelm,
  page,
  takeScreenshots,
}) => {
  installByHelm('--wait');
  await openPage(page, await hostFor());
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  const settings = dialog(page, 'Settings');
  const image = settings.getByLabel("Helm's image");
  const release = settings.getByLabel('Helm release');
  const save = settings.getByRole('button', { name: 'Save' });

  await button(page, 'Settings').click();
  await expect(settings.getByRole('textbox')).toHaveCount(8);
  await takeScreenshots('settings');
  await image.fill('helm 4');
  await release.fill('views');
  await save.click();

  await expect(image).toHaveAccessibleDescription(/^Expected an image as in docker\.io\//);
  await expect(image).toHaveAttribute('aria-invalid', 'true');
  await expect(image).toBeFocused();
  await expect(release).toHaveValue('views');
  await takeScreenshots('settings-wrong');
  await image.fill('docker.io/alpine/helm:3.22.0');
  await save.click();

  await expect(settings).toBeHidden();
  // A second release would clash with the first one's cluster-wide objects.
  const elsewhere = title(
    page,
    'Crossview is installed in the namespace crossview as the release crossview'
  );
  await expect(elsewhere).toBeVisible();
  await expect(button(page, 'Install')).toHaveCount(0);
  await takeScreenshots('elsewhere');
  await page.reload();
  await expect(elsewhere).toBeVisible();
  await button(page, 'Settings').click();
  await expect(image).toHaveValue('docker.io/alpine/helm:3.22.0');
  await expect(release).toHaveValue('views');
  await settings.getByRole('button', { name: 'Close' }).click();

  await button(page, 'Look after that one').click();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await button(page, 'Settings').click();
  await expect(release).toHaveValue('crossview');
});

test('an image of Crossview that can’t be pulled is told with a way out, and copied without secrets', async ({
  context,
  hostFor,
  page,
  takeScreenshots,
}) => {
  const host = await hostFor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], {
    origin: new URL(host).origin,
  });
  await openPage(page, host);
  await unfold(crossview(page), 'Values');
  const values = crossview(page).getByLabel('values.yaml');
  const more = 'image:\n  tag: v9.9.9\nsecrets:\n  adminPassword: hunter2\n';
  await values.fill(`${await values.inputValue()}${more}`);
  await button(page, 'Install').click();

  await expect(title(page, "Crossview can't start")).toBeVisible();
  const trouble = crossview(page).getByRole('alert').filter({ hasText: 'v9.9.9' });
  await expect(trouble).toContainText("Crossview's image can't be pulled");
  await expect(trouble).toContainText("The node can't get the image that the chart names.");
  await expect(trouble).toContainText('Check image and pull secret in the values');
  await unfold(trouble, 'Look further with kubectl');
  for (const line of await trouble.locator('code').allInnerTexts()) {
    expect(line).toMatch(/^kubectl .*--namespace=crossview/);
  }
  await expect(trouble.locator('code')).not.toHaveCount(0);
  await unfold(crossview(page), 'Pods and events');
  await expect(lines(page, 'Pod')).toHaveText([/^crossview-.*Pendingnot ready0.*v9\.9\.9/]);
  await expect(lines(page, 'Event').filter({ hasText: 'v9.9.9' })).not.toHaveCount(0);
  await expect(button(page, 'Open Crossview')).toBeDisabled();
  for (const way of ['Update', 'Uninstall']) {
    await expect(button(page, way)).toBeEnabled();
  }
  await takeScreenshots('app-image-trouble');

  await button(page, 'Copy diagnostics').click();

  await expect(crossview(page).getByRole('status').getByText('Copied')).toBeVisible();
  const report = await page.evaluate(() => navigator.clipboard.readText());
  for (const part of ['# Crossview for Headlamp', '- State: unwell', 'v9.9.9', "Helm's log"]) {
    expect(report).toContain(part);
  }
  expect(report).not.toContain('hunter2');
  expect(report).not.toMatch(/Bearer |eyJ/);
});

test('the log is searched, held, unwrapped and saved', async ({
  hostFor,
  page,
  slowRegistry,
  takeScreenshots,
}) => {
  await openPage(page, await hostFor());
  await install(page, { chart: slowRegistry.chart });
  const log = crossview(page).getByRole('log', { name: "Helm's log" });
  const [pause, wrap] = [button(page, 'Pause'), button(page, 'Wrap lines')];
  await expect(log).toContainText('Installing it now.');

  await pause.click();
  await expect(pause).toHaveAttribute('aria-pressed', 'true');
  await slowRegistry.release();
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(crossview(page).getByText(/^\d+ new lines\./)).toBeVisible();
  await expect(log).not.toContainText('STATUS: deployed');
  await pause.click();
  await expect(pause).toHaveAttribute('aria-pressed', 'false');
  await expect(log).toContainText('STATUS: deployed');
  const whole = await log.innerText();

  await expect(wrap).toHaveAttribute('aria-pressed', 'true');
  await wrap.click();
  await expect(wrap).toHaveAttribute('aria-pressed', 'false');
  await expect(log.locator('pre').first()).toHaveCSS('white-space', 'pre');

  const search = crossview(page).getByRole('searchbox', { name: 'Find in the log' });
  await search.fill('status: DEPLOYED');
  await expect(log).toHaveText('STATUS: deployed');
  const { length } = whole.trimEnd().split('\n');
  await expect(crossview(page).getByText(`1 of ${length} lines.`)).toBeVisible();
  await takeScreenshots('log-search');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    button(page, 'Download').click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^crossview-helm-install-.*\.log$/);
  expect((await textOf(download)).trimEnd()).toBe(whole.trimEnd());
  await search.fill('');
  await expect(log).toContainText('Installing it now.');
});

test('the namespace is removed after an uninstall, unless something else is in it', async ({
  hostFor,
  installByHelm,
  kubectl,
  page,
  takeScreenshots,
}) => {
  const here = `--namespace=${NAMESPACE}`;
  installByHelm('--wait');
  kubectl('create', 'configmap', 'mine', here);
  await openPage(page, await hostFor());
  await button(page, 'Uninstall').click();
  const uninstall = dialog(page, 'Uninstall Crossview?');
  await uninstall.getByRole('textbox').fill('crossview');
  await uninstall.getByRole('button', { name: 'Uninstall' }).click();
  await expect(title(page, 'Not installed')).toBeVisible();
  const stays = notice(page, 'The namespace stays');
  const remove = button(page, 'Remove the namespace');
  const question = dialog(page, `Remove the namespace ${NAMESPACE}?`);
  // The pods that Crossview leaves behind take a moment to end.
  const pods = ['get', 'pods', '--selector=app.kubernetes.io/name=crossview', here, '-o', 'name'];
  await expect.poll(() => kubectl(...pods)).toBe('');

  await remove.click();

  await expect(stays).toContainText('It holds more than Crossview: ConfigMap mine.');
  await expect(question).toBeHidden();
  await takeScreenshots('namespace-refused');
  kubectl('delete', 'configmap', 'mine', here);
  await remove.click();
  await expect(question).toContainText("it can't be brought back");
  await expect(stays).toHaveCount(0);
  await question.getByRole('button', { name: 'Keep it' }).click();
  await expect(question).toBeHidden();
  expect(kubectl('get', 'namespace', NAMESPACE, '-o', 'name')).toContain(NAMESPACE);
  await remove.click();
  await question.getByRole('button', { name: 'Remove it' }).click();

  await expect(remove).toHaveCount(0);
  await expect(title(page, 'Not installed')).toBeVisible();
  expect(kubectl('get', 'namespace', NAMESPACE, '--ignore-not-found')).toBe('');
});

test('Install is reached and its operation cancelled by the keyboard alone', async ({
  hostFor,
  page,
  slowRegistry,
}) => {
  await openPage(page, await hostFor());

  await tabTo(page, button(page, 'Settings'));
  await page.keyboard.press('Enter');
  const settings = dialog(page, 'Settings');
  await expect(settings).toBeVisible();
  expect(await settings.evaluate(element => element.contains(document.activeElement))).toBe(true);
  await page.keyboard.press('Escape');
  await expect(settings).toBeHidden();
  await expect(button(page, 'Settings')).toBeFocused();

  await tabTo(page, crossview(page).getByLabel('Chart'));
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(slowRegistry.chart);
  await tabTo(page, button(page, 'Install'));
  await page.keyboard.press('Enter');
  await expect(page.locator('[aria-current="step"]')).toHaveText('Helm runs');

  const cancel = button(page, 'Cancel');
  const question = dialog(page, 'Cancel the operation?');
  await tabTo(page, cancel);
  await page.keyboard.press('Enter');
  await expect(question).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(question).toBeHidden();
  await expect(cancel).toBeFocused();
  await page.keyboard.press('Enter');
  await tabTo(page, question.getByRole('button', { name: 'Cancel it' }));
  await page.keyboard.press('Enter');
  await expect(title(page, 'Not installed')).toBeVisible();
});
