"""The textbook DCGAN (Radford et al. 2016), trained by a plain PyTorch loop as tutorials write it.

It is what the benchmarks measure ours against. Nothing in it is made slow on purpose and nothing is tuned: pictures go
one by one through ToTensor and Normalize in a DataLoader, the critic sees real and fake images in two passes, both
sides have plain Adam and binary cross-entropy, and the losses are read at every step.
"""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from common.data.arrays import Arrays


class Pictures(Dataset):
    """Pictures one at a time, (C, H, W) in [-1, 1], each with its label (0 without labels)."""

    def __init__(self, arrays: Arrays):
        self.images = arrays.tensors["image"].permute(0, 2, 3, 1).numpy()  # (N, H, W, C), uint8
        self.labels = arrays.tensors.get("label", torch.zeros(len(arrays), dtype=torch.long)).tolist()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].squeeze())), self.labels[index]


def batches(arrays: Arrays, batch: int, workers: int, pin_memory: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (batch, C, H, W) in [-1, 1] and labels (batch,), epoch after epoch without end.

    Args:
        workers: processes that prepare batches; 0 prepares them in the loop.
    """
    loader = DataLoader(
        Pictures(arrays),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
    )
    while True:
        yield from loader


class Textbook:
    """A DCGAN with its optimisers and losses.

    Args:
        generator: (z (N, latent), labels or None) -> images (N, C, H, W) in [-1, 1].
        critic: (images, labels or None) -> logits (N,).
        latent: length of z.
        device: where to train.
        conditional: whether the networks are told the labels.
        memory_format: of networks and images; tutorials leave it contiguous (NCHW).
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        latent: int,
        device: torch.device,
        conditional: bool = False,
        memory_format: torch.memory_format = torch.contiguous_format,
    ):
        self.generator = generator.to(device, memory_format=memory_format)
        self.critic = critic.to(device, memory_format=memory_format)
        self.latent, self.device, self.conditional, self.memory_format = latent, device, conditional, memory_format
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.criterion = nn.BCEWithLogitsLoss()

    def step(self, real: Tensor, labels: Tensor) -> tuple[float, float]:
        """One step of the critic and one of the generator; returns their losses."""
        real = real.to(self.device, memory_format=self.memory_format)
        known = labels.to(self.device) if self.conditional else None
        ones, zeros = torch.ones(len(real), device=self.device), torch.zeros(len(real), device=self.device)

        self.critic.zero_grad()
        real_loss = self.criterion(self.critic(real, known), ones)
        real_loss.backward()
        fake = self.generator(torch.randn(len(real), self.latent, device=self.device), known)
        fake_loss = self.criterion(self.critic(fake.detach(), known), zeros)
        fake_loss.backward()
        self.critic_optimizer.step()

        self.generator.zero_grad()
        generator_loss = self.criterion(self.critic(fake, known), ones)
        generator_loss.backward()
        self.generator_optimizer.step()
        return real_loss.item() + fake_loss.item(), generator_loss.item()
