import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { createElement } from 'react';
import { expect, test, vi } from 'vitest';
import { CrossviewRoute } from './CrossviewRoute';
import { load, Page } from './load';

vi.mock('./load', () => ({ load: vi.fn(), loaded: undefined }));

/** A page that fails when it is told to. */
const page: Page = ({ onFailure }) =>
  createElement('button', { onClick: () => onFailure(new Error('unreachable')) }, 'the page');

test('says that it loads until the page is there', async () => {
  let arrive: (page: Page) => void = () => {};
  vi.mocked(load).mockReturnValue(new Promise(resolve => (arrive = resolve)));

  render(createElement(CrossviewRoute));
  expect(screen.getByRole('status').textContent).toBe('Loading Crossview…');
  arrive(page);

  expect(await screen.findByText('the page')).toBeDefined();
  expect(screen.queryByRole('status')).toBeNull();
});

test('says what failed, and tries again past every cache', async () => {
  vi.mocked(load).mockRejectedValueOnce(Object.assign(new Error('Not Found'), { name: 'page.js' }));
  vi.mocked(load).mockResolvedValueOnce(page);

  render(createElement(CrossviewRoute));
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toContain("Crossview can't be shown. page.js: Not Found");
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));

  expect(await screen.findByText('the page')).toBeDefined();
  expect(load).toHaveBeenLastCalledWith('reload');
});

test('takes a page away that can not go on', async () => {
  vi.mocked(load).mockResolvedValue(page);
  render(createElement(CrossviewRoute));

  await userEvent.click(await screen.findByText('the page'));

  expect((await screen.findByRole('alert')).textContent).toContain('unreachable');
  expect(screen.queryByText('the page')).toBeNull();
});
