"""Measure what was asked for: cases in turns, growth laws, single steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from pose_tracking_ros.benchmark.accuracy import CocoFolder, compare
from pose_tracking_ros.benchmark.contestants import (
    AfterNetwork,
    Contestant,
    Stopwatch,
)
from pose_tracking_ros.benchmark.energy import find_meter, joules_per_run
from pose_tracking_ros.benchmark.growth import GrowthLaw, fit_growth
from pose_tracking_ros.benchmark.ours import OurNetwork, weights_for
from pose_tracking_ros.benchmark.plan import Plan, Program
from pose_tracking_ros.benchmark.ratios import RIVAL, RIVAL_PEOPLE, add_ratios
from pose_tracking_ros.benchmark.report import Report
from pose_tracking_ros.benchmark.rounds import Case, take_turns
from pose_tracking_ros.benchmark.scenes import clip_pictures, group_scene, people_in_view
from pose_tracking_ros.benchmark.steps import SingleSteps
from pose_tracking_ros.benchmark.torchvision_peer import KeypointRCNN
from pose_tracking_ros.benchmark.two_network import TwoNetworks
from pose_tracking_ros.inference.loading import choose_device
from pose_tracking_ros.network.presets import proposals_of
from pose_tracking_ros.people import FrameResult, People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import COCO_17

IMAGE_SIZE = (1280, 720)
_CLIP_PICTURES = 8
_LEAST_STEP_ROUNDS = 5

Progress = Callable[[Iterable[int], str], Iterable[int]]
Image = UInt8[np.ndarray, 'height width 3']


@dataclass
class Bench:
    """Carries out a plan.

    Attributes:
        plan: what to do.
        report: what was found.
        progress: shows how far the rounds are.
    """

    plan: Plan
    report: Report
    progress: Progress
    _folder: Path = Path()
    _images: dict[int, list[Image]] = field(default_factory=dict)
    _message: Callable[[FrameResult], bytes] | None = None

    def run(self) -> None:
        """Measure everything; the report holds it."""
        torch.set_num_threads(self.plan.threads)
        self.device, _ = choose_device(self.plan.device)
        self._message = self._message_maker()
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            self._folder = Path(folder)
            # What may be missing comes first: networks take seconds to build.
            coco = CocoFolder(self.plan.coco, self.plan) if self.plan.coco else None
            cases = self._two_networks()
            networks = {program: self._network(program) for program in self.plan.programs()}
            cases += [
                self._case(network, people, size)
                for network in networks.values()
                for people in self.plan.people
                for size in self.plan.sizes
            ]
            if 'torchvision' in self.plan.peers:
                cases += self._rivals(networks)
            self._measure(cases, 'comparing')
            self._add(cases)
            add_ratios(self.report, self.plan, cases)
            if self.plan.growth:
                for program, network in networks.items():
                    law = self._growth(program.preset, network)
                    self.report.growth[network.facts.label] = law
            if coco is not None:
                self._accuracy(networks, coco)
            if self.plan.steps:
                self._single_steps(networks)

    def _network(self, program: Program) -> OurNetwork:
        return OurNetwork(
            NetworkSettings(
                preset=program.preset,
                weights=weights_for(program.preset, self._folder),
                engine=program.engine,
                precision=program.precision,
                device=self.plan.device,
                threads=self.plan.threads,
            )
        )

    def _case(self, contestant: Contestant, people: int, size: int) -> Case:
        wait = torch.cuda.synchronize if self.device.type == 'cuda' else None
        after = AfterNetwork(self._message)
        return Case(contestant, people, size, self._pictures(people), after, wait)

    def _pictures(self, people: int) -> list[Image]:
        if people not in self._images:
            if self.plan.clip is not None:
                self._images[people] = clip_pictures(self.plan.clip, _CLIP_PICTURES)
            else:
                scene = group_scene(people, IMAGE_SIZE)
                seen = people_in_view(scene)
                assert seen == people, f'{seen} of {people} in view'
                self._images[people] = [scene.render(0)]
        return self._images[people]

    def _two_networks(self) -> list[Case]:
        plan = self.plan
        for people in plan.people:
            self._pictures(people)
        if 'two-network' not in plan.peers:
            return []
        assert plan.teachers is not None
        peers = [TwoNetworks(plan.teachers, plan.threads, one) for one in plan.peer_precisions]
        return [
            self._case(peer, people, plan.usual_size_px)
            for peer, people in product(peers, plan.people)
        ]

    def _add(self, cases: list[Case]) -> None:
        meter = find_meter()
        if meter is None:
            self.report.skipped['energy'] = 'neither nvidia-smi nor tegrastats is installed'
        for case in cases:
            # nvidia-smi knows nothing of what the processor draws.
            is_seen = meter is not None and (
                meter.name != 'nvidia-smi' or case.facts.device.startswith('cuda')
            )
            joules = joules_per_run(meter, case.run_once) if meter and is_seen else None
            self.report.add_case(case, joules)

    def _rivals(self, networks: dict[Program, OurNetwork]) -> list[Case]:
        """Return torchvision's network and the paper's, unless that is measured anyway."""
        size = self.plan.rival_size_px
        cases = [
            self._case(KeypointRCNN(self.device, self.plan.threads, precision), RIVAL_PEOPLE, size)
            for precision in self.plan.peer_precisions
        ]
        for program in self.plan.programs((RIVAL,)):
            known = networks.get(program)
            if known is None or RIVAL_PEOPLE not in self.plan.people:
                rival = known or self._network(program)
                cases.append(self._case(rival, RIVAL_PEOPLE, size))
        return cases

    def _measure(self, cases: list[Case], told: str) -> None:
        for case in cases:
            case.prepare()
        take_turns(cases, self.progress(range(self.plan.rounds), told))

    def _growth(self, preset: str, network: OurNetwork) -> GrowthLaw:
        most = proposals_of(preset)
        counts = self.plan.people if len(self.plan.people) > 1 else (1, 5, 20)
        cases = [
            self._case(_WithProposals(network, proposals), people, size)
            for size, proposals, people in product(
                self.plan.growth_sizes, (most // 4, most // 2, most), counts
            )
            if people <= proposals
        ]
        self._measure(cases, f'growth of {network.facts.label}')
        return fit_growth(
            np.array([case.pixels for case in cases], dtype=np.float64),
            np.array([case.proposals for case in cases], dtype=np.float64),
            np.array([case.people for case in cases], dtype=np.float64),
            # The fastest run: others on the machine make a run slower, never faster.
            np.array([case.totals_s.min() for case in cases]),
        )

    def _accuracy(self, networks: dict[Program, OurNetwork], coco: CocoFolder) -> None:
        shipped = []
        for program in networks:
            if weights_for(program.preset, self._folder) == 'default':
                shipped.append(program)
            else:
                self.report.skipped[f'accuracy of {program.preset}'] = 'no weights are shipped'
        for program, accuracy in compare(shipped, coco.measure).items():
            self.report.accuracy[networks[program].facts.label] = accuracy

    def _message_maker(self) -> Callable[[FrameResult], bytes] | None:
        try:
            from pose_tracking_ros.ros.message_cost import message_makers
        except ImportError as error:
            self.report.skipped['message, markers'] = (
                f'ROS 2 or the messages are not there ({error}); run: make setup'
            )
            return None
        return message_makers(COCO_17).poses

    def _single_steps(self, networks: dict[Program, OurNetwork]) -> None:
        plan, rounds = self.plan, max(_LEAST_STEP_ROUNDS, self.plan.rounds)
        image = group_scene(RIVAL_PEOPLE, IMAGE_SIZE).render(0)
        steps = SingleSteps(self.report, rounds)
        steps.decoding()
        steps.preprocessing(image, plan.usual_size_px)
        if self._message is not None:
            steps.messages()
        network = networks.get(Program('lite', 'torch', 'f32'))
        if network is None or self.device.type != 'cpu':
            self.report.skipped['two_threads_over_one_loaded'] = 'needs lite by torch on the CPU'
        else:
            network.prepare(RIVAL_PEOPLE, plan.usual_size_px)
            steps.threads(network, image, RIVAL_PEOPLE)


class _WithProposals:
    """Our network with another number of proposals; implements `Contestant`."""

    def __init__(self, network: OurNetwork, proposals: int) -> None:
        self._network, self._wanted = network, proposals
        self.facts = network.facts
        self.pixels, self.proposals = 0, 0

    def prepare(self, people: int, long_side_px: int) -> None:
        self._network.prepare(people, long_side_px, self._wanted)

    def find(self, image: Image, clock: Stopwatch) -> People:
        people = self._network.find(image, clock)
        self.pixels, self.proposals = self._network.pixels, self._network.proposals
        return people
